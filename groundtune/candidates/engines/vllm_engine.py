"""vLLM as the engine: continuous batching and paged caches on a GPU; its CPU build for checks.

vLLM gets the prompt's token ids as `encode_prefix` writes them, one placeholder for the image, and prepares the picture
with the checkpoint's own processor; the ids that it then reads are compared with ours for every answer. docs/vllm.md
says what it does not promise.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import GenerationConfig

from groundtune.candidates.engines.vllm_adapter import reserved_rank
from groundtune.candidates.engines.vllm_checkpoint import vllm_checkpoint
from groundtune.errors import CheckpointError, RecordError, SettingError
from groundtune.images import ImageFile
from groundtune.settings import SamplingSettings
from groundtune.vlm.checkpoints import checkpoint_digest
from groundtune.vlm.generate import Answer, ending_ids, forbidden_ids, read_answer
from groundtune.vlm.loader import load_processor
from groundtune.vlm.prompt import Prefix, encode_prefix, prompt_ids
from groundtune.vlm.sampling import Decoding

# One process: no engine that outlives a killed stage, and the same schedule every time. Nothing is reported home.
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}


@dataclass(frozen=True)
class VllmPrompt(Prefix):
    """A prefix whose image is kept as it is: vLLM prepares its pixels itself. short_ids: one placeholder an image."""

    image: Image.Image = field(repr=False)
    short_ids: list[int] = field(repr=False)


class VllmEngine:
    """See Engine. A candidate's random numbers follow from (prompt's seed, k); its logits may round by the batch."""

    name = "vllm"

    def __init__(self, settings: SamplingSettings, model: Path, adapter: Path | None):
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            import vllm
            from vllm.lora.request import LoRARequest
        except ImportError as error:
            raise SettingError(
                "engine", "vllm",
                f"transformers, or a stage that runs where vLLM is installed ({error}): compile the package with "
                "--sampler vllm, which puts sample_candidates into the image images/sampler-vllm", "sampling",
            ) from error  # fmt: skip
        self.version: str = vllm.__version__
        self.reader = load_processor(model)
        self.digest = checkpoint_digest(model)
        self.adapter_digest = checkpoint_digest(adapter) if adapter else ""
        self._ends = ending_ids(_generation_config(model), self.reader.tokenizer)
        self._never = forbidden_ids(self.reader)
        self._sampling_params = vllm.SamplingParams
        self._lora = LoRARequest("adapter", 1, str(adapter.resolve())) if adapter else None
        lora = {"enable_lora": True, "max_loras": 1, "max_lora_rank": reserved_rank(adapter)} if adapter else {}
        gpu = torch.cuda.is_available()
        view = vllm_checkpoint(model, self.digest)
        try:
            self._llm = vllm.LLM(
                model=str(view),
                trust_remote_code=False,
                load_format="safetensors",
                # what load_vlm takes, so that confidence is measured on the numbers that were sampled from
                dtype="bfloat16" if gpu else "float32",
                generation_config="vllm",  # the checkpoint's own limits and temperatures do not count
                limit_mm_per_prompt={"image": 1},
                mm_processor_kwargs={"backend": "pil"},  # as load_processor: torchvision resizes differently
                gpu_memory_utilization=settings.gpu_memory_utilization,
                # The CPU build is for checks: compiling takes longer than they do, and a prompt cut over two steps
                # would have to wind back its random numbers, which a generator on a CPU cannot.
                enforce_eager=not gpu,
                enable_chunked_prefill=gpu,
                **lora,
            )
        except (ValueError, RuntimeError, OSError, KeyError, TypeError, NotImplementedError) as error:
            raise CheckpointError(
                f"{model}: vLLM {self.version} cannot load it: {error}; set sampling.engine to transformers, or, if it "
                f"is memory that lacks, sampling.gpu_memory_utilization (now {settings.gpu_memory_utilization:g})"
            ) from error
        self._context: int = self._llm.llm_engine.model_config.max_model_len

    def encode(self, record_id: str, instruction: str, file: ImageFile) -> VllmPrompt:
        """See Engine. A prompt that fills the model's context is refused: vLLM has no room for an answer."""
        image = file.decode()
        prefix = encode_prefix(self.reader, record_id, instruction, image)
        if len(prefix) >= self._context:
            raise RecordError(
                record_id, "instruction",
                f"the prompt has {len(prefix)} tokens, image included, and the model's context is {self._context}",
            )  # fmt: skip
        plain = {one.name: getattr(prefix, one.name) for one in fields(Prefix)}
        # vLLM prepares the pixels again: only their key is kept, under which it caches what it made of them
        plain["pixels"] = {}
        return VllmPrompt(**plain, image=image, short_ids=prompt_ids(self.reader, prefix.text))

    def sample(self, prompts: Sequence[VllmPrompt], decoding: Decoding, seeds: Sequence[int]) -> list[list[Answer]]:
        """See Engine."""
        requests, parameters = [], []
        for prompt, seed in zip(prompts, seeds, strict=True):
            request = {
                "prompt_token_ids": prompt.short_ids,
                "multi_modal_data": {"image": [prompt.image]},
                "multi_modal_uuids": {"image": [prompt.image_key]},
            }
            for k in range(decoding.samples):
                requests.append(request)
                parameters.append(self._parameters(decoding, candidate_seed(seed, k)))
        outputs = self._llm.generate(requests, parameters, use_tqdm=False, lora_request=self._lora)
        pools = []
        for i, prompt in enumerate(prompts):
            own = outputs[i * decoding.samples : (i + 1) * decoding.samples]
            pools.append([self._answer(prompt, output) for output in own])
        return pools

    def _parameters(self, decoding: Decoding, seed: int) -> Any:
        return self._sampling_params(
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            max_tokens=decoding.max_new_tokens,
            seed=seed,
            stop_token_ids=sorted(self._ends),
            logit_bias=dict.fromkeys(self._never, -float("inf")),
            detokenize=False,  # read_answer does, as for every engine
        )

    def _answer(self, prompt: VllmPrompt, output: Any) -> Answer:
        if list(output.prompt_token_ids) != prompt.input_ids.tolist():
            raise CheckpointError(
                f'id="{prompt.record_id}": vLLM {self.version} reads {len(output.prompt_token_ids)} tokens of prompt, '
                f"not our {len(prompt)}: set sampling.engine to transformers"
            )
        return read_answer(self.reader.tokenizer, self._ends, list(output.outputs[0].token_ids))


def candidate_seed(seed: int, candidate: int) -> int:
    """63 bits for candidate k of a prompt, from the prompt's seed and k alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{candidate}".encode()).digest()[:8], "big") >> 1


def _generation_config(model: Path) -> Any:
    """The folder's generation_config.json, None when it has none."""
    return GenerationConfig.from_pretrained(model) if (model / "generation_config.json").is_file() else None
