from components.measure_drift.component import measure_drift

__all__ = ["measure_drift"]
