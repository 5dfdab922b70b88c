from components.prepare_prompts.component import prepare_prompts

__all__ = ["prepare_prompts"]
