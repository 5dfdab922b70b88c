"""The limit of the image features on disk, in the settings of every stage that encodes images."""

from typing import Any

from groundtune.settings.fields import setting


def feature_cache_limit() -> Any:
    """Declare the field: the stages share one folder, and each one keeps it within its own limit."""
    return setting(
        2048,
        "Disk for image features, one folder below GROUNDTUNE_CACHE for all stages and runs, so give all stages the "
        "same; what has no room is computed each time; 0 keeps nothing.",
        unit="MiB",
        low=0,
    )
