"""The registry that stages and commands write to."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from groundtune.errors import SettingError
from groundtune.tracking import place as places

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TIMEOUT = 30  # seconds a request


def registry_place() -> places.Place:
    """Raises SettingError without MLFLOW_TRACKING_URI: a figure may go unlogged, a version may not."""
    place = places.current()
    if place is None:
        raise SettingError(places.URI, os.environ.get(places.URI, ""), "an MLflow server with a model registry")
    return place


def ensure_model(client: "MlflowClient", name: str, description: str) -> None:
    """A registered model of this name; one that is there stays as it is."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, description=description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def tag_version(name: str, version: str, tags: Mapping[str, str]) -> None:
    """What is known of a registered version since. Raises TrackingError when the server fails."""
    place = registry_place()
    client = places.client(place)
    with places.patience(_TIMEOUT, retries=3), places.reported(place, "describe a version on"):
        for key, value in tags.items():
            client.set_model_version_tag(name, version, key, value)
