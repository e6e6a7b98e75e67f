"""The same scenario in Python, Java and Node, with every client, gives the same spans and the same metrics."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import pytest

from interop import collector, scenario
from interop.chain import new_suffix
from interop.probes import PROBES, REFERENCE
from interop.program import Program
from services import Unavailable

OTHERS = pytest.mark.parametrize("client", [client for client in PROBES if client != REFERENCE])
# What each language calls the class of the handler's error.
POISON = ("interop.python.probe.Poison", "dev.unbroken.interop.probe.Probe$Poison")


@dataclass(frozen=True)
class Told:
    """What one client has told, as text."""

    spans: str
    metrics: str


@pytest.fixture(scope="module")
def told(
    started: Callable[..., Program], leave_out: Callable[[str, str], NoReturn], real_kafka: str
) -> Callable[[str], Told]:
    """What a client tells of the scenario, played once."""
    known: dict[str, Told] = {}

    def told(client: str) -> Told:
        if client not in known:
            known[client] = played(client)
        return known[client]

    def played(client: str) -> Told:
        with collector.running() as found:
            suffix = new_suffix()
            try:
                probe = started(client, found.url)
            except Unavailable as error:
                leave_out(client, str(error))
            probe.await_ready(time.monotonic() + 120)
            scenario.play(probe, suffix)
            probe.end()
        host, _, port = real_kafka.rpartition(":")
        names = {
            suffix: "",
            f'"{port}"': '"<port>"',
            f'"{host}"': '"<host>"',
            '"probe-1"': '"probe"',  # spring-kafka numbers its producers
            **dict.fromkeys(POISON, "Poison"),
        }
        ((service, spans),) = found.spans.items()
        return Told(scenario.spans_as_text(spans, names), scenario.metrics_as_text(found.metrics[service], names))

    return told


@OTHERS
def test_the_spans_are_those_of_every_client(client: str, told: Callable[[str], Told]) -> None:
    assert told(client).spans == told(REFERENCE).spans


@OTHERS
def test_the_metrics_are_those_of_every_client(client: str, told: Callable[[str], Told]) -> None:
    assert told(client).metrics == told(REFERENCE).metrics
