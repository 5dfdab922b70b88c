from components.sample_candidates.component import sample_candidates

__all__ = ["sample_candidates"]
