"""The messages of each scenario: the records that the clients of Kafka get."""

from bench.behaviour.records import DAMAGED, FIRST, ONE, TEN, TOPICS, Record

SECOND, OUT, DEAD = "-second", "-out", "-dead"
"""What is added to the name of a queue: another with the same messages, one to publish to, one for dead letters."""

REDRIVEN = ("dead-letter", "counted")
"""The scenarios whose queue gives a message up after the first try."""

_TOPICS = {"batch": TEN, "damaged": DAMAGED, "clean": FIRST, "two-consumers": FIRST}


def of(scenario: str) -> list[Record]:
    """Return the messages of a queue of the scenario."""
    return TOPICS[_TOPICS.get(scenario, ONE)]
