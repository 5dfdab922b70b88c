"""The champion's adapter as a folder that every stage of a round can read."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from groundtune import storage
from groundtune.errors import CheckpointError
from groundtune.promotion.champions import Reign
from groundtune.promotion.registered_models import registry_place
from groundtune.tracking import place as places
from groundtune.vlm.checkpoints import checkpoint_digest

_FOLDER, _WEIGHTS = "champions", "adapter_model.safetensors"
_TIMEOUT = 600  # seconds a request: weights


@dataclass(frozen=True)
class ServedAdapter:
    """place: the adapter's PEFT folder or s3:// prefix. base_digest: of the checkpoint that it belongs to."""

    version: str
    place: str
    base_digest: str


def served_adapter(name: str, reign: Reign, root: str) -> ServedAdapter:
    """The adapter of the version that reigns, below `root` under its digest, fetched from the registry unless it is
    there. Raises CheckpointError when it is not what was registered, TrackingError when the server fails."""
    import mlflow

    at = registry_place()
    with places.patience(_TIMEOUT, retries=3), places.reported(at, "fetch a model from"):
        tags = places.client(at).get_model_version(name, reign.version).tags
    if not {"groundtune.adapter_digest", "groundtune.base_digest"} <= tags.keys():
        raise CheckpointError(f"version {reign.version} of {name} is champion, but groundtune did not register it")
    digest = tags["groundtune.adapter_digest"]
    place = storage.join(root, f"{_FOLDER}/{digest[:32]}")
    if not storage.exists(storage.join(place, _WEIGHTS)):
        with tempfile.TemporaryDirectory() as folder:
            with places.patience(_TIMEOUT, retries=3), places.reported(at, "fetch a model from"):
                uri = f"models:/{name}/{reign.version}/artifacts/adapter"
                found = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=at.uri)
            if checkpoint_digest(found) != digest:
                raise CheckpointError(f"{uri} is not the adapter that was registered ({digest[:12]})")
            storage.publish_folder(Path(found), place, last=_WEIGHTS)
    return ServedAdapter(reign.version, place, tags["groundtune.base_digest"])
