"""A processor, sampler, exporter or meter that raises costs no message: it is handled, in the trace of its message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.context import get_current
from opentelemetry.metrics import MeterProvider as ApiMeterProvider
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler

from tests.messaging.conftest import UseProvider
from tests.messaging.telemetry import OTHER, TRACEPARENT, counts, creation, here, message
from unbroken import attached, extract, forward, process, receive, send
from unbroken.messaging.send import start_send

Use = Callable[[BaseException], None]
Alter = Callable[..., None]


class Raising(SpanProcessor):
    def __init__(self, error: BaseException, where: str) -> None:
        self._error, self._where = error, where

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        if self._where == "start":
            raise self._error

    def on_end(self, span: Any) -> None:
        if self._where == "end":
            raise self._error


class RaisingSampler(Sampler):
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def should_sample(self, *args: Any, **named: Any) -> Any:
        raise self._error

    def get_description(self) -> str:
        return "RaisingSampler"


class RaisingIds(RandomIdGenerator):
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def generate_span_id(self) -> int:
        raise self._error


class RaisingExporter:
    def export(self, spans: Any) -> Any:
        raise RuntimeError("broken")

    def shutdown(self) -> None:
        """Nothing."""


@pytest.fixture(params=["start", "end", "sampler", "ids"])
def broken(request: pytest.FixtureRequest, use_provider: UseProvider) -> Use:
    """A function that makes the tracer provider raise an error, each time in another place."""

    def use(error: BaseException) -> None:
        if request.param == "sampler":
            use_provider(sampler=RaisingSampler(error))
        elif request.param == "ids":
            use_provider(sampler=ALWAYS_OFF, id_generator=RaisingIds(error))
        else:
            use_provider().add_span_processor(Raising(error, request.param))

    return use


def test_the_handler_runs_in_the_trace_of_its_message(broken: Use) -> None:
    broken(RuntimeError("broken"))
    before = get_current()
    with attached(extract([("traceparent", OTHER)])), process(message()):
        assert here().trace_id == creation().trace_id
    assert get_current() is before


def test_an_error_of_the_handler_passes_untouched(broken: Use) -> None:
    broken(RuntimeError("broken"))
    error = ValueError("of the handler")
    with pytest.raises(ValueError, match="handler") as raised, process(message()):
        raise error
    assert raised.value is error


def test_a_batch_is_received(broken: Use) -> None:
    broken(RuntimeError("broken"))
    handled = 0
    with receive([message(), message()]) as _:
        handled += 1
    assert handled == 1


def test_a_message_is_sent_in_the_current_trace(broken: Use) -> None:
    broken(RuntimeError("broken"))
    with attached(extract([("traceparent", TRACEPARENT)])), send("orders", [("a", b"1")]) as sending:
        name, value = sending.headers[-1]
    assert (sending.headers[0], name, value[3:35]) == (("a", b"1"), "traceparent", TRACEPARENT[3:35])


def test_a_message_is_forwarded_in_its_trace(broken: Use) -> None:
    broken(RuntimeError("broken"))
    one = message()
    with process(one):
        headers = dict(forward(one))
    assert headers["traceparent"][3:35] == TRACEPARENT[3:35]
    assert headers["unbroken-attempt"] == b"1"


def test_a_failure_is_logged_once(broken: Use, caplog: pytest.LogCaptureFixture) -> None:
    broken(RuntimeError("broken"))
    for _ in range(3):
        with process(message()):
            pass
    assert len([record for record in caplog.records if record.name == "unbroken"]) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_an_interrupt_inside_the_sdk_passes_and_leaves_the_context_as_it_was(broken: Use, error: BaseException) -> None:
    broken(error)
    before = get_current()
    with pytest.raises(type(error)) as raised, process(message()):
        pass
    assert raised.value is error
    assert get_current() is before


def test_an_exporter_that_raises_is_no_error_of_the_handler(use_provider: UseProvider) -> None:
    use_provider().add_span_processor(SimpleSpanProcessor(RaisingExporter()))  # type: ignore[arg-type]
    with process(message()), send("orders"):
        pass


def test_a_broken_span_is_measured_all_the_same(use_provider: UseProvider, reader: InMemoryMetricReader) -> None:
    use_provider().add_span_processor(Raising(RuntimeError("broken"), "end"))
    with process(message()), send("orders"):
        pass
    assert counts(reader, "messaging.process.duration") == [1]
    assert counts(reader, "messaging.client.operation.duration") == [1]
    assert counts(reader, "messaging.client.sent.messages") == [1]


def test_a_batch_whose_span_is_broken_is_counted_once(use_provider: UseProvider, reader: InMemoryMetricReader) -> None:
    use_provider(sampler=RaisingSampler(RuntimeError("broken")))
    one = message()
    with receive([one]), process(one):
        pass
    assert sum(counts(reader, "messaging.client.consumed.messages")) == 1


class RaisingMeters(ApiMeterProvider):
    """A meter provider whose meters, or their instruments, raise."""

    def __init__(self, where: str) -> None:
        self._where = where

    def get_meter(self, *args: Any, **named: Any) -> Any:
        if self._where == "meter":
            raise RuntimeError("broken")
        return self

    def create_histogram(self, *args: Any, **named: Any) -> Any:
        return self

    create_counter = create_histogram

    def add(self, *args: Any) -> None:
        raise RuntimeError("broken")

    record = add

    def shutdown(self) -> None:
        """There, as it is in a provider that records."""


@pytest.fixture(params=["meter", "instrument"])
def broken_metrics(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", RaisingMeters(request.param))


def test_without_its_metrics_a_message_still_has_its_span(broken_metrics: None, finished: Any) -> None:
    with process(message(timestamp=(1, 1000))):
        assert here().trace_id == creation().trace_id
    assert [span.name for span in finished()] == ["process orders"]


def test_without_its_metrics_a_malformed_message_still_has_its_span(broken_metrics: None, finished: Any) -> None:
    with process(message([("traceparent", TRACEPARENT), ("tracestate", b"BAD")])):
        assert here().trace_id == creation().trace_id
    assert [span.name for span in finished()] == ["process orders"]


def test_without_its_metrics_a_batch_still_has_its_span(broken_metrics: None, finished: Any) -> None:
    with receive([message()]):
        pass
    assert [span.name for span in finished()] == ["poll orders"]


def test_without_its_metrics_a_sent_message_still_has_its_span(broken_metrics: None, finished: Any) -> None:
    with send("orders"):
        pass
    assert [span.name for span in finished()] == ["send orders"]


def raising(_: object) -> Any:
    raise RuntimeError("closed")


def test_attributes_that_cannot_be_had_do_not_cost_the_trace(
    finished: Any, reader: InMemoryMetricReader, alter: Alter
) -> None:
    one = message()
    alter(one, consumer=raising)
    with process(one, object()):
        assert here().trace_id == creation().trace_id


def test_a_message_that_cannot_be_read_is_handled(finished: Any, alter: Alter) -> None:
    one, before = message(), get_current()
    alter(one, error=raising)
    with process(one):
        assert get_current() is before
    assert finished() == ()


def test_a_batch_that_cannot_be_described_is_handled(finished: Any, alter: Alter) -> None:
    one, before = message(), get_current()
    alter(one, consumer=raising)
    with receive([one], object()):
        assert get_current() is before
    with receive([one]):
        assert here().is_valid


def test_a_message_that_cannot_be_described_is_sent_in_the_current_context() -> None:
    with attached(extract([("traceparent", TRACEPARENT)])):
        sending = start_send("orders", [("a", b"1")], None)  # type: ignore[arg-type]
    assert sending.headers == [("a", b"1"), ("traceparent", TRACEPARENT)]
    sending.end()


def test_what_the_broker_tells_and_cannot_be_had_still_ends_the_span(
    finished: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sending = start_send("orders", None, dict)
    sending.end(attributes=7)  # type: ignore[arg-type]
    assert [record.name for record in caplog.records] == ["unbroken"]
    assert len(finished()) == 1


def test_a_description_that_fails_for_the_metrics_costs_neither_context_nor_span(
    finished: Any, reader: InMemoryMetricReader, caplog: pytest.LogCaptureFixture
) -> None:
    described = [{"messaging.system": "kafka"}]
    sending = start_send("orders", None, described.pop)  # the second call raises
    sending.end()
    assert [name for name, _ in sending.headers] == ["traceparent"]
    assert len(finished()) == 1
