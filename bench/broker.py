"""The embedded broker in a process of its own: librdkafka's mock cluster with every record in place.

`python -m bench.broker` prints the address when the cluster is ready and lives until its standard input is closed.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.environments import ROOT, interpreter, variables
from bench.records import KEY, VALUE, all_records


@contextmanager
def running() -> Iterator[str]:
    """Start the broker and return its address; it stops with the block."""
    command = [str(interpreter("opentelemetry")), "-m", "bench.broker"]
    with subprocess.Popen(
        command, cwd=ROOT, env=variables(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            raise RuntimeError("the embedded broker did not start")
        yield address


def main() -> int:
    """Serve until standard input is closed."""
    from confluent_kafka import Producer

    producer = Producer({"test.mock.num.brokers": 1})
    brokers = producer.list_topics(timeout=10).brokers.values()
    for topic, headers in all_records():
        producer.produce(topic, VALUE, key=KEY, headers=headers, partition=0)
        producer.poll(0)
    if producer.flush(60):
        raise RuntimeError("the embedded broker did not take every record")
    print(",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
