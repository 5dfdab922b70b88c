"""images/stage, CPU variant: built from the checkout, with torch, able to compute without root and network."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfp import dsl

from components import images
from tests.container.engine import Engine


@dsl.component(base_image=images.STAGE, install_kfp_package=False)
def one_step(learned: dsl.Output[dsl.Model]):
    """A training step and a checkpoint with the libraries of the image."""
    import importlib.metadata
    import json
    import os
    import pathlib

    import mlflow
    import peft
    import torch
    import trl
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    from groundtune.benchmarks.modality_probe import stage as probing
    from groundtune.preferences.image_preference import stage as corrupting

    torch.manual_seed(0)
    tiny = LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    model = peft.get_peft_model(LlamaForCausalLM(tiny), peft.LoraConfig(target_modules=["q_proj", "v_proj"]))
    tokens = torch.arange(16).reshape(2, 8)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    losses = []
    for _ in range(20):
        loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    folder = pathlib.Path(learned.path)
    folder.mkdir(parents=True)
    save_file({n: p.detach() for n, p in model.named_parameters() if p.requires_grad}, folder / "adapter.safetensors")
    found = {
        "uid": os.getuid(),
        "cuda_build": torch.version.cuda,
        "losses": [losses[0], losses[-1]],
        "versions": {name: importlib.metadata.version(name) for name in ("groundtune", "kfp", "transformers")},
        "imported": [mlflow.__name__, trl.__name__, probing.STAGE, corrupting.STAGE],
    }
    (folder / "found.json").write_text(json.dumps(found))


def test_the_stage_image_names_a_user_by_number_who_is_not_root(engine: Engine, stage_image: str) -> None:
    assert int(engine.inspect(stage_image)["Config"]["User"].split(":")[0]) >= 1000


def test_the_stage_image_trains_without_root_a_writable_image_or_network(
    stage_image: str, run_in_container: Callable[..., Any]
) -> None:
    @dsl.pipeline
    def stepping() -> dsl.Model:
        return one_step().outputs["learned"]

    folder = Path(run_in_container(stepping).output.path)

    found = json.loads((folder / "found.json").read_text())
    assert found["uid"] == 10001
    assert found["cuda_build"] is None
    assert found["losses"][1] < found["losses"][0]
    assert found["versions"]["kfp"] == "2.17.0"
    assert (folder / "adapter.safetensors").stat().st_size > 0
