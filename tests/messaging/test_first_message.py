"""The first message of a client makes its module known: the application imports nothing of `unbroken.clients`."""

import subprocess
import sys

PROGRAM = """
import sys
from confluent_kafka import Consumer, Producer, TopicPartition
from unbroken import process

producer = Producer({"bootstrap.servers": sys.argv[1]})
producer.produce("first-message", b"value", partition=0)
producer.flush()
consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "first"})
consumer.assign([TopicPartition("first-message", 0, 0)])
with process(consumer.poll(10)):
    print("processed")
consumer.close()
"""


def test_a_message_of_a_plain_confluent_consumer_is_known(embedded: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, embedded], capture_output=True, text=True, timeout=60, check=False
    )
    assert finished.stdout == "processed\n", finished.stderr
