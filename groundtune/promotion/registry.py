"""register_adapter: an adapter becomes a version in the MLflow model registry, loadable with mlflow.pyfunc alone."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundtune import storage, tracking
from groundtune.artifacts import MANIFEST, Artifact, read_artifact
from groundtune.digests import digest_of
from groundtune.progress import say
from groundtune.promotion.model_card import model_card
from groundtune.promotion.packaging import write_model
from groundtune.promotion.registered_models import ensure_model, registry_place
from groundtune.settings import RegistrySettings
from groundtune.tracking import place as places
from groundtune.tracking.ledger import noted
from groundtune.vlm.checkpoints import check_adapter, checkpoint_digest

if TYPE_CHECKING:
    from mlflow import MlflowClient

STAGE = "register_adapter"
_FOLDER = "model"  # of the run's artifacts
_KEY = "groundtune.registration"
_LONGEST_DESCRIPTION = 4900  # characters; a registry column holds 5,000
_TIMEOUT, _UPLOAD_TIMEOUT = 30, 600  # seconds a request


@dataclass(frozen=True)
class RegisteredVersion:
    """uri: models:/<name>/<version>. card: the model card's Markdown."""

    name: str
    version: str
    uri: str
    card: str


@noted(STAGE)
def run(
    adapter: str | Path,
    model: str,
    answers: str | Path,
    report: str | Path,
    settings: RegistrySettings | Mapping[str, Any],
    prompts: str | Path = "",
) -> str:
    """The stage as a component calls it: paths in ("" for no answers, report or prompts), the version's URI out."""
    evaluation = read_artifact(answers, "answers") if str(answers) else None
    page = Path(report) if str(report) else None
    data = {"prompts": read_artifact(prompts, "prompts").digest} if str(prompts) else {}
    return register(Path(adapter), model, evaluation, RegistrySettings.of(settings, STAGE), page, data=data).uri


def register(
    adapter: Path,
    model: str,
    evaluation: Artifact | None,
    settings: RegistrySettings,
    report: Path | None = None,
    *,
    data: Mapping[str, str] | None = None,
) -> RegisteredVersion:
    """Log the model under this stage's MLflow run, register it, and point settings.alias at the new version.

    adapter: PEFT folder; model: the base checkpoint, a folder or s3:// prefix; data: name -> digest of what it learnt
    from. Registering all of them and the evaluation again (a retried task) finds the version that is there and only
    moves the alias. The card is the version's description, README.md in its adapter folder, and `<adapter>.card.md`
    beside the adapter here.
    Raises SettingError without MLFLOW_TRACKING_URI, TrackingError when the server fails: unlike a figure, a version
    that is not registered is a failed stage.
    """
    place = registry_place()
    check_adapter(adapter)
    base = storage.local_folder(model)
    digests = {"adapter": checkpoint_digest(adapter), "base": checkpoint_digest(base), **(data or {})}
    if evaluation is not None:
        digests["evaluation"] = evaluation.digest
    card = model_card(settings.model_name, model, base, digests, _manifest(adapter), evaluation)
    card = tracking.scrub(card)
    adapter.with_name(f"{adapter.name}.card.md").write_text(card)
    with tracking.stage(STAGE, settings.to_mapping(), inputs=digests) as log:
        client = places.client(place)
        key = digest_of([settings.model_name, digests, settings.bundle_base])
        with places.patience(_TIMEOUT, retries=3), places.reported(place, "register a model on"):
            version = _existing(client, settings.model_name, key)
        if version is None:
            with tempfile.TemporaryDirectory() as folder:
                target, scratch = Path(folder) / _FOLDER, Path(folder) / "parts"
                scratch.mkdir()
                config = {
                    "base": tracking.scrub(model if storage.is_s3(model) else str(base.resolve())),
                    "base_digest": digests["base"],
                    "adapter_digest": digests["adapter"],
                }
                write_model(target, scratch, adapter, base, config, card, settings.bundle_base)
                with places.patience(_UPLOAD_TIMEOUT, retries=3), places.reported(place, "store a model on"):
                    client.log_artifacts(log.run_id, str(target), _FOLDER)
            with places.patience(_TIMEOUT, retries=3), places.reported(place, "register a model on"):
                version = _create(client, settings.model_name, log.run_id, {**_tags(digests), _KEY: key}, card)
        with places.patience(_TIMEOUT, retries=3), places.reported(place, "register a model on"):
            client.set_registered_model_alias(settings.model_name, settings.alias, version)
        uri = f"models:/{settings.model_name}/{version}"
        log.tag("registered_version", uri)
        if report is not None:
            log.artifact(report)
        say(STAGE, f"{uri}, alias {settings.alias}")
    return RegisteredVersion(settings.model_name, version, uri, card)


def _existing(client: "MlflowClient", name: str, key: str) -> str | None:
    """The number of the version with this registration key."""
    quoted = name.replace("'", "\\'")
    found = [v for v in client.search_model_versions(f"name = '{quoted}'") if v.tags.get(_KEY) == key]
    return str(max(found, key=lambda v: int(v.version)).version) if found else None


def _create(client: "MlflowClient", name: str, run_id: str, tags: dict[str, str], card: str) -> str:
    ensure_model(client, name, "Adapters that groundtune trained; see each version's card.")
    source = f"{client.get_run(run_id).info.artifact_uri}/{_FOLDER}"
    if len(card) > _LONGEST_DESCRIPTION:
        card = card[:_LONGEST_DESCRIPTION].rpartition("\n")[0] + "\n\n(goes on in README.md of the adapter)"
    made = client.create_model_version(name, source, run_id=run_id, tags=tags, description=card)
    return str(made.version)


def _tags(digests: Mapping[str, str]) -> dict[str, str]:
    return {f"groundtune.{what}_digest": digest for what, digest in digests.items()}


def _manifest(adapter: Path) -> dict[str, Any]:
    """The adapter's manifest, or nothing for an adapter that another program trained."""
    file = adapter / MANIFEST
    return json.loads(file.read_text()) if file.is_file() else {}
