"""Promotion: the adapter becomes a version in the MLflow model registry, with its card."""
