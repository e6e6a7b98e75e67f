"""Providers: none, one that does nothing, one that comes late, one that is replaced, none installed."""

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracerProvider

from tests.messaging.conftest import UseProvider
from tests.messaging.telemetry import TRACED, TRACEPARENT, attributes, creation, here, ids, message
from unbroken import __version__, attached, extract, inject, process, receive, send
from unbroken.messaging import message as seam
from unbroken.messaging import tracing
from unbroken.messaging.send import start_send


@pytest.fixture(params=["none", "no-op", "disabled"])
def without_spans(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No provider that records."""
    if request.param == "no-op":
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", NoOpTracerProvider())
    elif request.param == "disabled":
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider())


def test_the_context_of_the_message_is_current(without_spans: None) -> None:
    with process(message()) as span:
        assert not span.is_recording()
        assert ids(here()) == ids(creation())
        assert inject() == list(TRACED)


def test_a_message_without_a_context_hides_the_ambient_one(without_spans: None) -> None:
    with attached(extract(list(TRACED))), process(message(None)):
        assert inject() == []


def test_the_current_context_goes_with_a_sent_message(without_spans: None) -> None:
    with attached(extract(list(TRACED))), send("orders") as sending:
        assert sending.headers == list(TRACED)
        assert not sending.is_observed


def test_a_batch_changes_nothing(without_spans: None) -> None:
    with receive([message()]):
        assert not here().is_valid


def test_a_provider_that_comes_late_is_used(use_provider: UseProvider, exporter: Any) -> None:
    with process(message()) as span:
        assert not span.is_recording()
    use_provider()
    with process(message()) as span:
        assert span.is_recording()
    assert len(exporter.get_finished_spans()) == 1


def test_a_provider_that_is_replaced_gets_no_more_spans(use_provider: UseProvider, exporter: Any) -> None:
    use_provider(resource=None)
    with process(message()):
        pass
    exporter.clear()
    use_provider()
    with process(message()):
        pass
    assert len(exporter.get_finished_spans()) == 1


def test_a_provider_that_goes_leaves_no_spans(
    use_provider: UseProvider, exporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider()
    with process(message()):
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    with process(message()):
        pass
    assert len(exporter.get_finished_spans()) == 1


def test_a_provider_that_is_shut_down_still_lets_messages_through(use_provider: UseProvider) -> None:
    use_provider().shutdown()
    with process(message()):
        assert here().trace_id == creation().trace_id


def test_where_opentelemetry_keeps_its_provider_elsewhere_it_is_asked(
    use_provider: UseProvider, exporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider()
    monkeypatch.setattr(tracing, "_global", None)
    with process(message()):
        pass
    assert len(exporter.get_finished_spans()) == 1


def test_the_spans_tell_who_made_them(use_provider: UseProvider, exporter: Any) -> None:
    use_provider()
    with process(message()):
        pass
    scope = exporter.get_finished_spans()[0].instrumentation_scope
    assert (scope.name, scope.version, scope.schema_url) == (
        "unbroken",
        __version__,
        "https://opentelemetry.io/schemas/1.44.0",
    )


class Tracer(trace.Tracer):
    """A tracer of another maker: no sampler, no generator of ids."""

    def __init__(self) -> None:
        self.started: list[Any] = []

    def start_span(
        self, name: str, context: Any = None, kind: Any = None, attributes: Any = None, *args: Any, **named: Any
    ) -> Any:
        self.started.append((name, attributes))
        return trace.NonRecordingSpan(here(context))

    def start_as_current_span(self, *args: Any, **named: Any) -> Any:
        raise NotImplementedError


class Provider(trace.TracerProvider):
    def __init__(self) -> None:
        self.tracer = Tracer()

    def get_tracer(self, *args: Any, **named: Any) -> trace.Tracer:
        return self.tracer


def test_a_tracer_of_another_maker_is_always_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    with process(message()), send("orders"):
        assert here().trace_id == creation().trace_id
    assert [name for name, _ in provider.tracer.started] == ["process orders", "send orders"]


WITHOUT_SDK = f"""
import sys
class NoSdk:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("opentelemetry.sdk"):
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, NoSdk())
from unbroken import extract, forward, inject, process, receive, send
from unbroken.testing import Record
headers = [("traceparent", {TRACEPARENT!r})]
message = Record("orders", 0, 7, None, b"v", headers, 0.0)
with receive([message]), process(message):
    assert inject() == headers
    with send("orders") as sending:
        assert sending.headers == headers
    assert forward(message)[0] == headers[0]
assert not [name for name in sys.modules if name.startswith("opentelemetry.sdk")]
"""

SPANS_BY_ENVIRONMENT = """
from unbroken import process
from unbroken.testing import Record
with process(Record("orders", 0, 7, None, b"v", [], 0.0)) as span:
    assert span.is_recording()
"""

METRICS_BY_ENVIRONMENT = """
from unbroken.messaging.metrics import instruments
assert instruments() is not None
"""


@pytest.mark.parametrize(
    ("program", "environment"),
    [
        (WITHOUT_SDK, {}),
        (SPANS_BY_ENVIRONMENT, {"OTEL_PYTHON_TRACER_PROVIDER": "sdk_tracer_provider"}),
        (METRICS_BY_ENVIRONMENT, {"OTEL_PYTHON_METER_PROVIDER": "sdk_meter_provider"}),
    ],
    ids=["without the SDK", "a tracer provider of the environment", "a meter provider of the environment"],
)
def test_in_an_interpreter_of_its_own(
    program: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_local_parent_is_not_remote(use_provider: UseProvider, exporter: Any) -> None:
    use_provider()
    with process(message()), send("orders"):
        pass
    sent, _ = exporter.get_finished_spans()
    assert sent.parent.is_remote is False
    assert attributes(sent)["messaging.operation.name"] == "send"


def test_a_message_is_not_described_where_nothing_records(
    without_spans: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def describe(one: object) -> dict[str, Any]:
        raise AssertionError("described for nobody")

    one = message()
    known = seam.type_of(one)
    monkeypatch.setitem(seam.known_types, type(one), dataclasses.replace(known, attributes=describe))
    with process(one):
        assert ids(here()) == ids(creation())
    sending = start_send("orders", None, lambda: describe(one))
    assert not sending.is_observed
