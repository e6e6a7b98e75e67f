"""What a user of each contender writes around a handler, for a thread pool, and to publish a record again."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from bench import contenders
from bench.behaviour.clients import CLIENTS, Client
from bench.behaviour.telemetry import Datadog, OpenTelemetry, Telemetry
from bench.contenders import CONTRIB, DDTRACE, OURS, SAMPLED, ZERO

T = TypeVar("T")

CONTENDERS: dict[str, tuple[str, ...]] = {
    OURS: ("confluent-kafka", "aiokafka", "kafka-python"),
    ZERO: ("confluent-kafka", "aiokafka", "kafka-python"),
    CONTRIB: ("confluent-kafka", "aiokafka", "kafka-python"),
    DDTRACE: ("confluent-kafka", "aiokafka"),
}
"""The clients that each contender has an answer for."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One contender with one client, switched on.

    Attributes:
        dict_headers: it raises when it is given a list of headers, so where that is not the question it gets a dict.
    """

    telemetry: Telemetry
    client: Client
    process: Callable[[Any], AbstractContextManager[object]]
    bind: Callable[[Callable[[], T]], Callable[[], T]]
    republished: Callable[[Any], Any]
    dict_headers: bool = False


def switch_on(name: str, client: str, bootstrap: str) -> Contender:
    """Return the contender, set up as its documentation says before the client is used."""
    contenders.switch_on(name, client, SAMPLED)
    telemetry: Telemetry = Datadog() if name == DDTRACE else OpenTelemetry()
    made: Client = CLIENTS[client](bootstrap, name == OURS)
    if name == OURS:
        from unbroken import bind, forward, process

        # Kafka's producers take a list; aiokafka and kafka-python give a record's headers as a tuple or a list.
        return Contender(telemetry, made, process, bind, lambda record: list(forward(record)))
    return Contender(
        telemetry,
        made,
        lambda _record: nullcontext(),
        lambda function: function,
        made.headers,
        dict_headers=name == DDTRACE and client == "confluent-kafka",
    )
