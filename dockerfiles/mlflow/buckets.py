"""Make the buckets that are named on the command line, those that are not there yet."""

import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PATIENCE = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 10, "mode": "standard"})
"""Seconds, and tries."""
THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


def main(names: list[str]) -> int:
    """Make them."""
    address = os.environ["MLFLOW_S3_ENDPOINT_URL"]
    s3 = boto3.client("s3", endpoint_url=address, config=PATIENCE)
    for name in names:
        try:
            s3.create_bucket(Bucket=name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in THERE:
                sys.stderr.write(f"bucket {name} at {address}: {error}\n")
                return 1
        except BotoCoreError as error:
            sys.stderr.write(f"bucket {name} at {address}: {error}\n")
            return 1
        sys.stdout.write(f"bucket {name} is there\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
