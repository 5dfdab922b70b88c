"""What runs after what. The same components run under kfp.local on a laptop and on a Kubeflow cluster."""
