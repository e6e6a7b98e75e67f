"""The same scenario in Python, Java and Node gives the same spans and the same metrics."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import pytest

from interop import collector, scenario
from interop.chain import new_suffix
from interop.probes import LANGUAGES
from interop.program import Program
from services import Unavailable

OTHERS = pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "Python"])
SERVICES = {"Python": "python", "Java": "java", "Node": "node"}
# How each language calls the class of the handler's error, and what else is its own.
POISON = {
    "Python": "interop.python.probe.Poison",
    "Java": "dev.unbroken.interop.probe.Probe$Poison",
    "Node": "Poison",
}


@dataclass(frozen=True)
class Told:
    """What one language has told, as text."""

    spans: str
    metrics: str


@pytest.fixture(scope="module")
def told(
    started: Callable[..., Program], leave_out: Callable[[str, str], NoReturn], real_kafka: str
) -> Callable[[str], Told]:
    """What a language tells of the scenario, played once."""
    known: dict[str, Told] = {}

    def told(language: str) -> Told:
        if language not in known:
            with collector.running() as found:
                suffix = new_suffix()
                try:
                    probe = started(LANGUAGES[language], found.url)
                except Unavailable as error:
                    leave_out(language, str(error))
                probe.await_ready(time.monotonic() + 120)
                scenario.play(probe, suffix)
                probe.end()
                host, _, port = real_kafka.rpartition(":")
                names = {suffix: "", POISON[language]: "Poison", f'"{port}"': '"<port>"', f'"{host}"': '"<host>"'}
                service = SERVICES[language]
                known[language] = Told(
                    scenario.spans_as_text(found.spans[service], names),
                    scenario.metrics_as_text(found.metrics[service], names),
                )
        return known[language]

    return told


@OTHERS
def test_the_spans_are_those_of_python(language: str, told: Callable[[str], Told]) -> None:
    assert told(language).spans == told("Python").spans


@OTHERS
def test_the_metrics_are_those_of_python(language: str, told: Callable[[str], Told]) -> None:
    assert told(language).metrics == told("Python").metrics
