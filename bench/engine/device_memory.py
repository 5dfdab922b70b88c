"""Peak of what the GPU's allocator handed out to this process; 0 without a GPU."""

import torch


def reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def allocated() -> int:
    """Bytes now."""
    return torch.cuda.memory_allocated() if torch.cuda.is_available() else 0


def peak() -> int:
    """Most bytes since reset_peak."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
