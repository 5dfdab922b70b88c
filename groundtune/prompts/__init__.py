"""The user's prompts: read in the formats the field uses, checked once, before anything expensive."""
