"""The servers that tests talk to, and the check that every test ends with the context it began with."""

import functools
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest

from services import Unavailable
from services import elasticmq as elasticmq_service
from services import jaeger as jaeger_service
from services import kafka as kafka_service
from services import rabbitmq as rabbitmq_service
from services import tempo as tempo_service
from services.backend import Backend
from services.kafka import Kafka
from services.rabbitmq import RabbitMQ

SERVERS = ("embedded", "real", "rabbitmq", "elasticmq", "jaeger", "tempo", "chromium")
_LEFT_OUT = pytest.StashKey[dict[str, str]]()
SERVER_OF = {
    "embedded": "embedded",
    "real_kafka": "real",
    "own_kafka": "real",
    "rabbitmq": "rabbitmq",
    "own_rabbitmq": "rabbitmq",
    "elasticmq": "elasticmq",
    "jaeger": "jaeger",
    "tempo": "tempo",
    "chromium": "chromium",
}
_T = TypeVar("_T")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without",
        default="",
        metavar="SERVERS",
        help=f"servers whose tests are not part of this run, separated by commas: {', '.join(SERVERS)}",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LEFT_OUT] = {}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # fixtures end in order, as with Ctrl-C
    unknown = _unwanted(config) - set(SERVERS)
    if unknown:
        raise pytest.UsageError(f"--without: no such server: {', '.join(sorted(unknown))}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kafka" in metafunc.fixturenames:
        wanted = [name for name in ("embedded", "real") if name not in _unwanted(metafunc.config)]
        metafunc.parametrize("kafka", wanted, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    unwanted = _unwanted(config)
    dropped = [
        item for item in items if any(SERVER_OF.get(name) in unwanted for name in getattr(item, "fixturenames", ()))
    ]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out, and write it to the file that `make test` reads at its end."""
    left_out = config.stash[_LEFT_OUT]
    if not left_out:
        return
    lines = [f"{name}: {why}" for name, why in left_out.items()]
    terminalreporter.section("left out")
    terminalreporter.write_line("\n".join(lines))
    if report := os.environ.get("UNBROKEN_LEFT_OUT"):
        Path(report).parent.mkdir(parents=True, exist_ok=True)
        with Path(report).open("a") as file:
            file.writelines(f"{' '.join(line.split())}\n" for line in lines)


def _unwanted(config: pytest.Config) -> set[str]:
    return {name for name in config.getoption("--without").split(",") if name}


def _leave_out(config: pytest.Config, name: str, why: str) -> NoReturn:
    """End the test: skipped on a developer's machine, failed where everything has to run (CI=true)."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} cannot be left out here: {why}", pytrace=False)
    config.stash[_LEFT_OUT][name] = why
    pytest.skip(f"{name}: {why}")


def _entered(config: pytest.Config, stack: ExitStack, name: str, server: AbstractContextManager[_T]) -> _T:
    """What a server's block gives; a server that this machine cannot run ends the test."""
    try:
        return stack.enter_context(server)
    except Unavailable as error:
        _leave_out(config, name, str(error))


@pytest.fixture(scope="session")
def leave_out(pytestconfig: pytest.Config) -> Callable[[str, str], NoReturn]:
    """Ends a test for what this machine lacks, given its name and how to get it: skipped, or failed with CI=true."""
    return functools.partial(_leave_out, pytestconfig)


@pytest.fixture(autouse=True)
def the_context_is_as_it_was(no_leaked_context: None) -> None:
    """Every test ends with the OpenTelemetry context, and the open spans, that it began with."""


@pytest.fixture(autouse=True)
def every_span_has_ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test ends the spans that it was given, by whatever tracer provider of the SDK."""
    sdk = sys.modules.get("opentelemetry.sdk.trace")
    if sdk is None:
        yield
        return
    start = sdk.Tracer.start_span
    given: list[Any] = []

    def noted(*args: Any, **named: Any) -> Any:
        given.append(start(*args, **named))
        return given[-1]

    monkeypatch.setattr(sdk.Tracer, "start_span", noted)
    yield
    assert [span.name for span in given if span.is_recording()] == []


@pytest.fixture(scope="session")
def embedded(pytestconfig: pytest.Config) -> Iterator[str]:
    """The bootstrap address of the Kafka inside the confluent-kafka wheel."""
    try:
        from services import embedded as service
    except ModuleNotFoundError as error:
        _leave_out(pytestconfig, "embedded Kafka", f"{error}; pip install confluent-kafka")
    with service.running() as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def real_kafka(pytestconfig: pytest.Config) -> Iterator[str]:
    """The bootstrap address of an Apache Kafka, started for this session or given by UNBROKEN_KAFKA."""
    with ExitStack() as stack:
        yield _entered(pytestconfig, stack, "real Kafka", kafka_service.running())


@pytest.fixture
def own_kafka(pytestconfig: pytest.Config) -> Iterator[Kafka]:
    """An Apache Kafka of the test's own, also when UNBROKEN_KAFKA is set: to be killed and started again."""
    with ExitStack() as stack:
        yield _entered(pytestconfig, stack, "a Kafka to kill", Kafka())


@pytest.fixture(scope="session")
def rabbitmq(pytestconfig: pytest.Config) -> Iterator[str]:
    """The URL of a RabbitMQ, started for this session or given by UNBROKEN_AMQP."""
    with ExitStack() as stack:
        yield _entered(pytestconfig, stack, "RabbitMQ", rabbitmq_service.running())


@pytest.fixture
def own_rabbitmq(pytestconfig: pytest.Config) -> Iterator[RabbitMQ]:
    """A RabbitMQ of the test's own, also when UNBROKEN_AMQP is set: to be killed and started again."""
    with ExitStack() as stack:
        yield _entered(pytestconfig, stack, "a RabbitMQ to kill", RabbitMQ())


@pytest.fixture(scope="session")
def elasticmq(pytestconfig: pytest.Config) -> Iterator[str]:
    """The endpoint URL of an ElasticMQ, started for this session or given by UNBROKEN_SQS."""
    with ExitStack() as stack:
        yield _entered(pytestconfig, stack, "ElasticMQ", elasticmq_service.running())


@pytest.fixture(scope="session")
def jaeger(pytestconfig: pytest.Config) -> Iterator[Backend]:
    """A Jaeger, started for this session or given by UNBROKEN_JAEGER."""
    with ExitStack() as stack:
        yield _entered(pytestconfig, stack, "Jaeger", jaeger_service.running())


@pytest.fixture(scope="session")
def tempo(pytestconfig: pytest.Config) -> Iterator[Backend]:
    """A Tempo, started for this session or given by UNBROKEN_TEMPO."""
    with ExitStack() as stack:
        yield _entered(pytestconfig, stack, "Tempo", tempo_service.running())


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """The bootstrap address of each Kafka in turn: a test with this fixture runs on `embedded` and on `real`."""
    bootstrap: str = request.getfixturevalue({"embedded": "embedded", "real": "real_kafka"}[request.param])
    return bootstrap


@pytest.fixture(scope="session")
def chromium(pytestconfig: pytest.Config) -> str:
    """The path of a Chromium for playwright, whose own download is not used."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        _leave_out(pytestconfig, "Chromium", "there is no `chromium` in PATH. Debian: apt-get install chromium")
    return path
