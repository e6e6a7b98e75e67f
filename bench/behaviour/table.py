"""What was found, as Markdown: `python -m bench.behaviour.table` prints the table of the README."""

import json
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from bench.contenders import BOTOCORE, CONTRIB, DDTRACE, OURS, ZERO

FOUND = Path(__file__).parents[1] / "behaviour.json"

Cell = dict[str, str | bool]
"""What one contender did in one scenario with one client, as it is written."""

Columns = Mapping[str, tuple[str, tuple[str, ...]]]
"""Heading -> contender and its clients."""

KAFKA: Columns = {
    "unbroken": (OURS, ("confluent-kafka", "aiokafka", "kafka-python")),
    "unbroken zero code": (ZERO, ("confluent-kafka", "aiokafka", "kafka-python")),
    "contrib confluent-kafka": (CONTRIB, ("confluent-kafka",)),
    "contrib aiokafka, kafka-python": (CONTRIB, ("aiokafka", "kafka-python")),
    "ddtrace": (DDTRACE, ("confluent-kafka", "aiokafka")),
}
QUEUES: Columns = {
    "unbroken": (OURS, ("pika", "aio-pika", "faststream", "boto3", "aiobotocore")),
    "contrib pika": (CONTRIB, ("pika",)),
    "contrib aio-pika": (CONTRIB, ("aio-pika",)),
    "FastStream's own": (CONTRIB, ("faststream",)),
    "contrib boto3sqs": (CONTRIB, ("boto3",)),
    "contrib botocore": (BOTOCORE, ("boto3",)),
    "contrib aiobotocore": (CONTRIB, ("aiobotocore",)),
}


SHORT = ("handler", "clean", "two-consumers", "settled", "dead-letter", "republish", "damaged")
"""The scenarios of RabbitMQ and SQS that the README shows."""


def summary(report: dict[str, Any], columns: Columns = KAFKA, only: Collection[str] = ()) -> str:
    """Return one row per scenario and one column per contender: yes, no, or the clients for which it holds."""
    holds = {(cell["scenario"], cell["contender"], cell["client"]): cell["holds"] for cell in report["found"]}
    lines = [f"| | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for name, statement in report["scenarios"].items():
        if only and name not in only:
            continue
        cells = []
        for contender, clients in columns.values():
            tried = [client for client in clients if (name, contender, client) in holds]
            good = [client for client in tried if holds[name, contender, client]]
            cells.append(_verdict(tried, good))
        lines.append(f"| {statement} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def details(report: dict[str, Any]) -> str:
    """Return one table per scenario: what was seen with each contender and client."""
    parts = []
    for name, statement in report["scenarios"].items():
        rows = [cell for cell in report["found"] if cell["scenario"] == name]
        if rows:
            lines = [
                f"### {statement[0].upper()}{statement[1:]}",
                "",
                "| contender | client | | seen |",
                "|---|---|---|---|",
            ]
            lines += [
                f"| {cell['contender']} | {cell['client']} | {'yes' if cell['holds'] else 'no'} | {cell['seen']} |"
                for cell in rows
            ]
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _verdict(tried: list[str], good: list[str]) -> str:
    if not tried:
        return "-"
    return "yes" if good == tried else ", ".join(good) if good else "no"


def main() -> int:
    """Print the table of the last run."""
    print(summary(json.loads(FOUND.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
