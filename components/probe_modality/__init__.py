from components.probe_modality.component import probe_modality

__all__ = ["probe_modality"]
