"""Paths and s3:// URIs behind the same few functions.

Where the store is and who asks comes from the environment alone; nothing of it is ever stored or logged.

| variable | what it says | when it is not set |
|---|---|---|
| `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` | address of an S3-compatible store | AWS itself |
| `AWS_REGION`, `AWS_DEFAULT_REGION` | region that requests are signed for | what boto3 finds |
| `GROUNDTUNE_S3_ADDRESSING` | where the bucket's name goes: `path`, `virtual`, `auto` | `path` at one's own endpoint |
| `AWS_CA_BUNDLE` | PEM file of the authorities that vouch for the store's certificate | the system's |
| `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` | keys, from a Secret | boto3's chain goes on |
| `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE` | a role for the service account (IRSA) | boto3's chain goes on |
| `GROUNDTUNE_S3_PATIENCE` | seconds that a store which fails or is away is asked again | 300 |
| `GROUNDTUNE_STATE` | path or s3:// prefix of unfinished work, which outlives a lost node | beside the output |
| `GROUNDTUNE_CACHE` | folder of downloads, replies, image features: can be had again | in the temporary folder |

A file appears whole or not at all, in both kinds of place; its bytes are checked on both ways (docs/decisions/0017).
`python -m groundtune.storage.lifecycle` lets a bucket forget unfinished work that nobody went on with.
"""

from groundtune.storage.files import (
    check_writable,
    exists,
    fetch_file,
    fetch_files,
    file_sizes,
    file_versions,
    list_files,
    publish_file,
    publish_once,
    read_bytes,
    remove,
)
from groundtune.storage.folders import local_file, local_folder, publish_folder
from groundtune.storage.objects import listing_digest
from groundtune.storage.places import cache_root, is_s3, join, split_s3, state_root
from groundtune.storage.retrying import CHECK_PATIENCE, patience

__all__ = [
    "CHECK_PATIENCE",
    "cache_root",
    "check_writable",
    "exists",
    "fetch_file",
    "fetch_files",
    "file_sizes",
    "file_versions",
    "is_s3",
    "join",
    "list_files",
    "listing_digest",
    "local_file",
    "local_folder",
    "patience",
    "publish_file",
    "publish_folder",
    "publish_once",
    "read_bytes",
    "remove",
    "split_s3",
    "state_root",
]
