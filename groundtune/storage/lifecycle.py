"""Let a bucket forget scratch: state that nobody went on with, and multipart uploads that nobody finished.

    python -m groundtune.storage.lifecycle s3://bucket/state --days 14

Sets one rule for the prefix and leaves the bucket's other rules alone; as often as one likes, with the same end. The
store applies rules about once a day, in its own time. SeaweedFS needs its maintenance worker for it (`weed admin` and
`weed worker`): a server alone keeps the rules and applies none.
"""

import argparse
import sys
from typing import Any

from botocore.exceptions import ClientError

from groundtune.errors import GroundtuneError, SettingError, StorageError
from groundtune.progress import say
from groundtune.storage.connection import client
from groundtune.storage.failures import code_of
from groundtune.storage.places import split_s3
from groundtune.storage.retrying import repeat

DAYS, ABORT_DAYS = 14, 2
_COMMON = ("TransitionDefaultMinimumObjectSize",)  # would fall back to its default when rules are set without it
_UNSUPPORTED = ("NotImplemented", "MethodNotAllowed", "501", "405")


def forget_after(uri: str, days: int = DAYS, abort_days: int = ABORT_DAYS) -> bool:
    """Objects below the prefix expire after `days`, unfinished uploads to it after `abort_days`, older versions (where
    the bucket keeps versions) a day after they became old. False when all of that was so already.

    Raises SettingError for a prefix or a number that would delete too much; StorageError when the store does not take
    the rule or keeps it otherwise than it was set.
    """
    bucket, key = split_s3(uri)
    prefix = key.rstrip("/") + "/"
    if not key.strip("/"):
        raise SettingError("the prefix of scratch", uri, "s3://bucket/prefix: else the whole bucket would expire")
    for name, value in (("--days", days), ("--abort-days", abort_days)):
        if value < 1:
            raise SettingError(name, value, "a whole number of days from 1")
    rule: dict[str, Any] = {
        "ID": f"groundtune-scratch-{prefix}",
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "Expiration": {"Days": days},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": abort_days},
    }
    before, common = _rules(uri, bucket)
    if rule in before:
        return False
    wanted = [one for one in before if one.get("ID") != rule["ID"]] + [rule]
    repeat("set the lifecycle of", uri, lambda: _put(uri, bucket, wanted, common))
    kept, _ = _rules(uri, bucket)
    missing = [one.get("ID", one) for one in wanted if one not in kept]
    if missing:
        raise StorageError(f"{uri}: the store took the lifecycle rules and does not keep {missing}")
    return True


def _rules(uri: str, bucket: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rules, and what the bucket says of all of them together."""

    def ask() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        try:
            answer = client().get_bucket_lifecycle_configuration(Bucket=bucket)
        except ClientError as error:
            if code_of(error) == "NoSuchLifecycleConfiguration":
                return [], {}
            raise
        return answer.get("Rules", []), {name: answer[name] for name in _COMMON if name in answer}

    return repeat("read the lifecycle of", uri, ask)


def _put(uri: str, bucket: str, rules: list[dict[str, Any]], common: dict[str, Any]) -> None:
    try:
        client().put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules}, **common)
    except ClientError as error:
        if code_of(error) in _UNSUPPORTED:
            raise StorageError(f"{uri}: this store has no lifecycle rules; delete old state yourself") from error
        raise


def main(arguments: list[str] | None = None) -> int:
    """The command. 0 when the rule is there."""
    parser = argparse.ArgumentParser(prog="python -m groundtune.storage.lifecycle", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("uri", help="s3:// prefix of scratch, the value of GROUNDTUNE_STATE")
    parser.add_argument("--days", type=int, default=DAYS, help="age at which state is deleted (default %(default)s)")
    parser.add_argument(
        "--abort-days", type=int, default=ABORT_DAYS, help="age at which an upload is given up (default %(default)s)"
    )
    given = parser.parse_args(arguments)
    try:
        changed = forget_after(given.uri, given.days, given.abort_days)
    except GroundtuneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    said = "set" if changed else "was set already"
    say("lifecycle", f"{given.uri}: forgotten after {given.days} days, uploads after {given.abort_days}; {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
