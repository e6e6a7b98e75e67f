"""The servers of the chain together, and programs that end with the session."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest

from interop import probes
from interop.chain import Brokers
from interop.program import Program
from interop.stores import Jaeger, Store, Tempo
from services.backend import Backend

LeaveOut = Callable[[str, str], NoReturn]


@pytest.fixture(scope="session")
def brokers(real_kafka: str, rabbitmq: str, elasticmq: str) -> Brokers:
    """The three brokers of the chain."""
    return Brokers(real_kafka, rabbitmq, elasticmq)


@pytest.fixture(scope="session")
def stores(jaeger: Backend, tempo: Backend) -> tuple[Store, ...]:
    """Both stores of traces."""
    return Jaeger(jaeger), Tempo(tempo)


@pytest.fixture(scope="session")
def started(real_kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Program]]:
    """Starts the probe of a client, which ends with the session; with `otlp` it exports to that address."""
    logs = Path(tmp_path_factory.mktemp("probes"))
    with ExitStack() as stack:

        def start(client: str, otlp: str = "") -> Program:
            log = logs / f"{client}{'-otlp' if otlp else ''}.log"
            environment = {"UNBROKEN_KAFKA": real_kafka, "UNBROKEN_OTLP": otlp}
            return stack.enter_context(Program(client, probes.command(client), environment, log))

        yield start
