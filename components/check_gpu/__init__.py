from components.check_gpu.component import check_gpu

__all__ = ["check_gpu"]
