"""The boto3 client, from environment variables. Credentials are boto3's own affair, so that its whole chain works: keys
from a Secret, a role for the service account (IRSA), the role of the node."""

import functools
import os
import threading
from pathlib import Path
from typing import Any

from groundtune.errors import SettingError

ADDRESSING = ("path", "virtual", "auto")
_ENVIRONMENT = "the environment"
_making = threading.Lock()


def client() -> Any:
    """The S3 client of this process and environment, shared by its threads.

    Raises SettingError: GROUNDTUNE_S3_ADDRESSING or AWS_CA_BUNDLE is wrong.
    """
    found = os.environ.get
    endpoint = found("AWS_ENDPOINT_URL_S3") or found("AWS_ENDPOINT_URL")
    region = found("AWS_REGION") or found("AWS_DEFAULT_REGION")
    with _making:
        return client_of(os.getpid(), endpoint, region, _addressing(endpoint), _authorities())


@functools.cache
def client_of(pid: int, endpoint: str | None, region: str | None, addressing: str, authorities: str | None) -> Any:
    """One client a process (connections do not survive a fork) and place."""
    import boto3
    from botocore.config import Config

    style: Any = {"addressing_style": addressing}
    config: Any = Config(
        signature_version="s3v4",
        retries={"total_max_attempts": 1},  # `retrying` knows for how long; two layers of it would multiply
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=32,
        tcp_keepalive=True,
        s3=style,
    )
    # boto3 reads AWS_DEFAULT_REGION alone, and STS (for a role) has to hear of the region as well: hence the session.
    session = boto3.session.Session(region_name=region)
    return session.client("s3", endpoint_url=endpoint, config=config, verify=authorities)


def _addressing(endpoint: str | None) -> str:
    chosen = os.environ.get("GROUNDTUNE_S3_ADDRESSING") or ("path" if endpoint else "auto")
    if chosen not in ADDRESSING:
        raise SettingError("GROUNDTUNE_S3_ADDRESSING", chosen, f"one of {', '.join(ADDRESSING)}", _ENVIRONMENT)
    return chosen


def _authorities() -> str | None:
    """The CA bundle, None for the system's. boto3 alone would notice a missing one at the first request, as a failure
    of the connection."""
    bundle = os.environ.get("AWS_CA_BUNDLE")
    if bundle and not Path(bundle).exists():
        raise SettingError("AWS_CA_BUNDLE", bundle, "a PEM file that is there", _ENVIRONMENT)
    return bundle or None
