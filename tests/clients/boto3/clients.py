"""Clients of the test's own, and what they were answered."""

from typing import Any

from botocore.config import Config

SETTINGS: dict[str, Any] = {
    "region_name": "eu-west-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
    "config": Config(retries={"total_max_attempts": 1}),
}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
XRAY = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def poll(client: Any, url: str, **params: Any) -> list[Any]:
    found: list[Any] = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, **params)[
        "Messages"
    ]
    return found
