"""The registered model: a picture and an instruction in, an answer out. MLflow runs this file ("models from code").

Nothing is pickled: weights are safetensors, and the groundtune package lies beside this file in the model's `code`.
"""

import base64
import binascii
import os
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel
from PIL import Image

from groundtune import images, storage
from groundtune.errors import CheckpointError, GroundtuneError, RecordError
from groundtune.vlm.checkpoints import checkpoint_digest
from groundtune.vlm.generate import generate
from groundtune.vlm.loader import Vlm, load_vlm
from groundtune.vlm.prompt import encode_prefix
from groundtune.vlm.sampling import Decoding

MAX_PIXELS = 64_000_000
BASE_VARIABLE = "GROUNDTUNE_BASE_MODEL"  # where the base checkpoint lies here, when that is not where it lay then
_SERVED = "__pyfunc_model_path__"  # MLflow's, in the processes that answer over HTTP
_LONGEST_PATH = 1024  # characters; anything longer is base64
_CACHE_TOKENS = 8192  # of all answers together: 4 GiB of a 7B model, beside its weights


class AnsweringModel(PythonModel):
    """Base checkpoint with the adapter on top; answers are greedy, so the same row has the same answer."""

    vlm: Vlm

    def load_context(self, context: Any) -> None:
        """Load base and adapter. Raises CheckpointError when the base is not the one that was registered."""
        config = context.model_config
        base = context.artifacts.get("base") or os.environ.get(BASE_VARIABLE) or config["base"]
        folder = storage.local_folder(str(base))
        for what, path, expected in (
            ("base checkpoint", folder, config["base_digest"]),
            ("adapter", Path(context.artifacts["adapter"]), config["adapter_digest"]),
        ):
            found = checkpoint_digest(path)
            if found != expected:
                raise CheckpointError(
                    f"{what} {path} has digest {found[:16]}, the registered model was made with {expected[:16]}; "
                    f"set {BASE_VARIABLE} to a folder or s3:// prefix with the right base checkpoint"
                )
        self.vlm = load_vlm(folder, adapter=context.artifacts["adapter"])

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow reads type hints
        """DataFrame with columns image (base64, or, but not from a client of `mlflow models serve`, a path on this
        machine) and instruction -> DataFrame with `answer`.

        params: max_new_tokens. Raises RecordError that names the row, or SettingError; over HTTP their words are sent.
        """
        try:
            return self._answers(model_input, int((params or {}).get("max_new_tokens", 256)))
        except GroundtuneError as error:
            if _SERVED not in os.environ:
                raise
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error

    def _answers(self, asked: Any, tokens: int) -> Any:
        prefixes = [
            encode_prefix(self.vlm, f"row {number}", str(row.instruction), _image(f"row {number}", str(row.image)))
            for number, row in enumerate(asked.itertuples(index=False))
        ]
        decoding = Decoding(max_new_tokens=tokens, temperature=0.0, top_p=1.0, samples=1)
        answers = generate(self.vlm, prefixes, decoding, [0] * len(prefixes), cache_tokens=_CACHE_TOKENS)
        return pd.DataFrame({"answer": [group[0].text for group in answers]})


def _image(record_id: str, text: str) -> Image.Image:
    if _may_be_a_path(text) and os.path.isfile(text):  # Path.is_file raises where no file could have that name
        data = Path(text).read_bytes()
    else:
        try:
            data = base64.b64decode(text.rpartition("base64,")[2], validate=True)
        except (binascii.Error, ValueError) as error:
            kind = "no base64" if _SERVED in os.environ else "neither a file here nor base64"
            raise RecordError(record_id, "image", f'"{text[:60]}" is {kind} ({error})') from error
    return images.decode(data, record_id, "image", MAX_PIXELS)


def _may_be_a_path(text: str) -> bool:
    """Who asks over HTTP opens no file of the server, and learns of none whether it is there."""
    return _SERVED not in os.environ and len(text) <= _LONGEST_PATH


set_model(AnsweringModel())
