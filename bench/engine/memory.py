"""Peak resident memory of this process. Imports nothing heavy: what it measures may be small."""

from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """From here on `peak` counts anew."""
    CLEAR.write_text("5")


def resident() -> int:
    """Bytes in memory now."""
    return _field("VmRSS")


def peak() -> int:
    """Most bytes in memory since reset_peak."""
    return _field("VmHWM")


def _field(name: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
