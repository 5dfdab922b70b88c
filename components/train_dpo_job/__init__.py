from components.train_dpo_job.component import train_dpo_job

__all__ = ["train_dpo_job"]
