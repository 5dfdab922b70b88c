"""An MLflow model folder: answering_model.py, the groundtune package, the adapter, and the base or where it is."""

import base64
import importlib.metadata
import io
import os
import shutil
from pathlib import Path
from typing import Any

from PIL import Image

import groundtune
from groundtune.promotion import model_card

_REQUIRED = (
    "mlflow", "torch", "transformers", "peft", "safetensors", "accelerate", "numpy", "pandas", "pillow", "pyarrow",
    "boto3", "pyyaml", "requests",
)  # fmt: skip
_CODE = ("*.py", "*.json", "*.yaml")  # of the package: no weights, no caches


def write_model(
    target: Path,
    scratch: Path,
    adapter: Path,
    base: Path,
    config: dict[str, Any],
    card: str,
    bundle_base: bool,
) -> None:
    """Write the model folder `target`. config: what `AnsweringModel.load_context` needs; scratch: an empty folder."""
    import mlflow
    import pandas as pd  # type: ignore[import-untyped]
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    artifacts = {"adapter": str(shutil.copytree(adapter, scratch / "adapter"))}
    (scratch / "adapter" / "README.md").write_text(card)
    if bundle_base:
        artifacts["base"] = str(shutil.copytree(base, scratch / "base", copy_function=_link))
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "image"), ColSpec(DataType.string, "instruction")]),
        outputs=Schema([ColSpec(DataType.string, "answer")]),
        params=ParamSchema([ParamSpec("max_new_tokens", DataType.long, 256)]),
    )
    example = pd.DataFrame({"image": [_grey_png()], "instruction": ["Describe this image."]})
    mlflow.pyfunc.save_model(
        str(target),
        python_model=str(Path(model_card.__file__).with_name("answering_model.py")),
        artifacts=artifacts,
        code_paths=[str(_package_copy(scratch))],
        signature=signature,
        input_example=example,
        pip_requirements=requirements(),
        model_config=config,
        metadata={"groundtune": groundtune.__version__},
    )


def requirements() -> list[str]:
    """Exact versions of what the model runs on. A local build label (+cpu, +cu128) is no part of a requirement."""
    return [f"{name}=={importlib.metadata.version(name).partition('+')[0]}" for name in _REQUIRED]


def _package_copy(scratch: Path) -> Path:
    source, target = Path(groundtune.__file__).parent, scratch / "code" / "groundtune"
    for file in sorted(file for pattern in _CODE for file in source.rglob(pattern)):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return target


def _link(source: str, target: str) -> None:
    """A hard link where the file system allows it: a base checkpoint is tens of GB and is copied once more anyway."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copyfile(source, target)


def _grey_png() -> str:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), (128, 128, 128)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()
