"""What runs beside the pipeline on the cluster: training over several nodes as a Kubeflow Trainer TrainJob."""
