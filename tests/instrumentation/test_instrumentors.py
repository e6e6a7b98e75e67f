"""Every instrumentor: twice is once, and `uninstrument` leaves every name as it was."""

import dataclasses
import gc
import importlib
import logging
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import pytest

from unbroken.clients.patches import Patch

CLIENTS = {
    "aio_pika": "aio_pika",
    "aiobotocore": "aiobotocore",
    "aiokafka": "aiokafka",
    "boto3": "boto3",
    "confluent_kafka": "confluent_kafka",
    "kafka_python": "kafka",
    "pika": "pika",
}
"""Our module of each client, and the client's package."""


@pytest.fixture(params=sorted(CLIENTS))
def instrumentor(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each instrumentor whose client is installed, not on."""
    pytest.importorskip(CLIENTS[request.param])
    pytest.importorskip("opentelemetry.instrumentation.instrumentor")
    (found,) = [
        one for one in entry_points(group="opentelemetry_instrumentor") if one.name == f"unbroken_{request.param}"
    ]
    instrumentor = found.load()()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


def names(instrumentor: Any) -> dict[tuple[int, str], Any]:
    """What stands in every namespace of the client's package, and of the owners of the patches."""
    package = CLIENTS[type(instrumentor).__module__.rpartition(".")[2]]
    modules = [module for path, module in list(sys.modules.items()) if path.partition(".")[0] == package]
    owners = [patch.owner for patch in importlib.import_module(instrumentor.client).ZERO_CODE.patches()]
    return {(id(owner), name): value for owner in [*modules, *owners] for name, value in vars(owner).items()}


def test_uninstrument_restores_every_name(instrumentor: Any) -> None:
    instrumentor.instrument()
    instrumentor.uninstrument()  # by now every module is imported
    before = names(instrumentor)
    instrumentor.instrument()
    assert names(instrumentor) != before
    instrumentor.uninstrument()
    after = names(instrumentor)
    assert [name for name in before.keys() | after.keys() if before.get(name) is not after.get(name)] == []


def test_instrumenting_twice_replaces_once(instrumentor: Any) -> None:
    instrumentor.instrument()
    before = names(instrumentor)
    instrumentor.instrument()
    after = names(instrumentor)
    assert [name for name in after if before.get(name) is not after[name]] == []


def test_an_instrumentor_says_which_client_it_needs(instrumentor: Any) -> None:
    assert all(">=" in one for one in instrumentor.instrumentation_dependencies())


def test_a_client_that_is_too_old_is_left_alone(
    instrumentor: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    instrumentor.instrument()
    instrumentor.uninstrument()
    before = names(instrumentor)
    package = instrumentor.dependencies[0].partition(" ")[0]
    monkeypatch.setattr(type(instrumentor), "dependencies", (f"{package} >= 999",))
    instrumentor.instrument(skip_dep_check=True)
    assert names(instrumentor) == before
    assert f"{package} >= 999" in caplog.text


def test_an_error_of_ours_stops_no_other_instrumentation(
    instrumentor: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from unbroken.messaging import tracing

    def broken() -> None:
        raise AttributeError("a version of the client that nobody has seen")

    monkeypatch.setattr(tracing, "_logged", set())
    client = importlib.import_module(instrumentor.client)
    monkeypatch.setattr(client, "ZERO_CODE", dataclasses.replace(client.ZERO_CODE, patches=broken))
    instrumentor.instrument()
    assert "nobody has seen" in caplog.text


def test_a_name_that_was_imported_before_is_named_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    confluent_kafka = pytest.importorskip("confluent_kafka")
    from unbroken.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor
    from unbroken.messaging import tracing

    monkeypatch.setattr(tracing, "_said", set())
    application = type(sys)("application")
    application.Reader = confluent_kafka.Consumer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "application", application)
    subclass = type("Early", (confluent_kafka.Producer,), {"__module__": "application"})
    instrumentor = ConfluentKafkaInstrumentor()
    for _ in range(2):
        instrumentor.instrument()
        instrumentor.uninstrument()
    said = [record.message for record in caplog.records if "application." in record.message]
    assert len(said) == 2
    assert "the base of application.Early is confluent_kafka.Producer" in said[0]
    assert "application.Reader is confluent_kafka.Consumer" in said[1]
    del subclass
    gc.collect()


def test_what_somebody_else_replaced_after_us_is_left_to_them(caplog: pytest.LogCaptureFixture) -> None:
    from unbroken.clients.patches import install, uninstall

    class Client:
        def send(self) -> str:
            return "plain"

    patch = Patch(Client, "send", lambda send: lambda client: f"ours {send(client)}")
    install([patch])
    ours = Client.send
    setattr(Client, "send", lambda client: f"theirs {ours(client)}")  # noqa: B010 - as a stranger does it
    with caplog.at_level(logging.WARNING):
        uninstall([patch])
    assert Client().send() == "theirs ours plain"
    assert "Client.send was patched by other code after unbroken" in caplog.text


def test_one_instance_can_be_patched_and_its_class_stays_as_it_is() -> None:
    from unbroken.clients.patches import install, uninstall

    class Client:
        def send(self) -> str:
            return "plain"

    one, other = Client(), Client()
    patch = Patch(Client, "send", lambda send: lambda client: f"ours {send(client)}").on(one)
    install([patch, patch])
    assert (one.send(), other.send()) == ("ours plain", "plain")
    uninstall([patch])
    assert vars(one) == {}


def test_no_client_is_imported_by_the_module_of_patches() -> None:
    module = importlib.import_module("unbroken.clients.patches")
    assert not any(name in vars(module) for name in CLIENTS.values())
