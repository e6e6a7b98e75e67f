"""The embedded broker with the records in place: prints its address and lives until its standard input is closed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.behaviour.records import TOPICS
from bench.environments import ROOT, interpreter, variables


@contextmanager
def running() -> Iterator[str]:
    """Start the broker and return its address; it stops with the block."""
    command = [str(interpreter("opentelemetry")), "-m", "bench.behaviour.broker"]
    with subprocess.Popen(
        command, cwd=ROOT, env=variables(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        if not (address := process.stdout.readline().strip()):
            raise RuntimeError("the embedded broker did not start")
        yield address


def main() -> int:
    """Serve until standard input is closed."""
    from confluent_kafka import Producer

    producer = Producer({"test.mock.num.brokers": 1})
    (broker,) = producer.list_topics(timeout=10).brokers.values()
    for topic, records in TOPICS.items():
        for record in records:
            producer.produce(topic, record.value, headers=record.headers, partition=0)
    if producer.flush(30):
        raise RuntimeError("the embedded broker did not take every record")
    print(f"{broker.host}:{broker.port}", flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
