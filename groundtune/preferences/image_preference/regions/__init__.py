"""Where a phrase is in an image: one interface, several finders."""
