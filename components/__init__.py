"""KFP faces of the stages: signature, image, resources. No logic; the library does the work."""
