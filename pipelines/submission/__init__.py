"""Runs and schedules on a cluster, through the API of Kubeflow Pipelines."""
