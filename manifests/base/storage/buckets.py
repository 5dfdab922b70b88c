"""Makes the buckets that are not there yet.

Environment: AWS_* of the store's administrator; BUCKETS, names with spaces between them.
"""

import os

import boto3
from botocore.config import Config


def main() -> None:
    # A store that has just started answers 500 for a few seconds: botocore asks again.
    patient = Config(retries={"max_attempts": 10, "mode": "standard"}, s3={"addressing_style": "path"})
    client = boto3.client("s3", config=patient)
    there = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    for name in os.environ["BUCKETS"].split():
        if name in there:
            print(f"bucket {name} is there")
        else:
            client.create_bucket(Bucket=name)
            print(f"made bucket {name}")


if __name__ == "__main__":
    main()
