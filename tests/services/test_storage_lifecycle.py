"""Rules for scratch against a real store: the store keeps them, and keeps the others."""

import subprocess
import sys

import pytest

from groundtune import storage
from groundtune.errors import SettingError, StorageError
from groundtune.storage import lifecycle
from tests.servers import S3Server

OTHERS = [
    {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}},
    {
        "ID": "tagged",
        "Status": "Disabled",
        "Filter": {"And": {"Prefix": "x/", "Tags": [{"Key": "kind", "Value": "old"}]}},
        "Expiration": {"Days": 3},
    },
]


def rules(s3: S3Server, bucket: str) -> list[dict[str, object]]:
    return s3.client().get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]


def test_the_command_sets_its_rule_once_and_leaves_the_others_alone(s3: S3Server) -> None:
    bucket, _ = storage.split_s3(s3.create_bucket("lifecycle"))
    s3.client().put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": OTHERS})
    said = []
    for days in (14, 14, 7):
        command = [sys.executable, "-m", "groundtune.storage.lifecycle", f"s3://{bucket}/state", "--days", str(days)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        said.append(done.stdout)
    assert "s3://lifecycle/state: forgotten after 14 days, uploads after 2; set\n" in said[0]
    assert said[1].endswith("was set already\n") and "after 7 days" in said[2]
    found = rules(s3, bucket)
    assert found[:2] == OTHERS
    (ours,) = found[2:]
    assert ours["Filter"] == {"Prefix": "state/"}  # of state-2/ nothing expires
    assert ours["Expiration"] == {"Days": 7}
    assert ours["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}


def test_two_prefixes_of_a_bucket_have_a_rule_each(s3: S3Server) -> None:
    place = s3.create_bucket("two-prefixes")
    assert lifecycle.forget_after(f"{place}/a/state/", days=3)
    assert lifecycle.forget_after(f"{place}/b/state", days=5, abort_days=1)
    assert [(rule["Filter"], rule["Expiration"]) for rule in rules(s3, "two-prefixes")] == [
        ({"Prefix": "a/state/"}, {"Days": 3}),
        ({"Prefix": "b/state/"}, {"Days": 5}),
    ]


def test_a_rule_for_a_whole_bucket_or_of_no_days_is_refused(s3: S3Server, capsys: pytest.CaptureFixture[str]) -> None:
    place = s3.create_bucket("whole")
    for uri in (place, f"{place}/"):
        with pytest.raises(SettingError, match="the whole bucket"):
            lifecycle.forget_after(uri)
    assert lifecycle.main([f"{place}/state", "--days", "0"]) == 1
    assert "--days" in capsys.readouterr().err
    with pytest.raises(StorageError, match=r"no-such-bucket.*NoSuchBucket"):
        lifecycle.forget_after("s3://no-such-bucket/state")
    with pytest.raises(s3.client().exceptions.ClientError, match="NoSuchLifecycleConfiguration"):
        rules(s3, "whole")
