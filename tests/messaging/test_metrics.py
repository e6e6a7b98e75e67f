"""Metrics: exact counts, the names and buckets of the conventions, nothing without a meter provider."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from tests.messaging.telemetry import OTHER, TRACED, Finished, counts, message, points
from unbroken import __version__, process, receive, send
from unbroken.messaging import consumed, metrics
from unbroken.messaging.message import type_of
from unbroken.messaging.send import start_send
from unbroken.messaging.settle import settle

PROCESS = "messaging.process.duration"
OPERATION = "messaging.client.operation.duration"
SENT = "messaging.client.sent.messages"
CONSUMED = "messaging.client.consumed.messages"
QUEUE = "unbroken.queue.duration"
MALFORMED = "unbroken.carriers.malformed"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
HANDLED = {
    "messaging.operation.name": "process",
    "messaging.system": "kafka",
    "messaging.destination.name": "orders",
}


def test_processing_is_timed_with_the_buckets_of_the_conventions(reader: InMemoryMetricReader) -> None:
    for _ in range(3):
        with process(message()):
            pass
    ((attributes, point),) = points(reader, PROCESS)
    assert (attributes, point.count, tuple(point.explicit_bounds)) == (HANDLED, 3, BUCKETS)
    assert 0 < point.sum < 10


def test_a_failure_is_told_by_its_class(reader: InMemoryMetricReader) -> None:
    with pytest.raises(ValueError, match="no"), process(message()):
        raise ValueError("no")
    ((attributes, point),) = points(reader, PROCESS)
    assert (attributes, point.count) == ({**HANDLED, "error.type": "ValueError"}, 1)


def test_an_anonymous_destination_is_on_no_metric(reader: InMemoryMetricReader, alter: Callable[..., None]) -> None:
    found = {**HANDLED, "messaging.destination.anonymous": True, "messaging.destination.template": "shop"}
    alter(message(), attributes=lambda _: found)
    with process(message()):
        pass
    ((attributes, _),) = points(reader, PROCESS)
    assert attributes.keys() - HANDLED.keys() == {"messaging.destination.template"}
    assert HANDLED.keys() - attributes.keys() == {"messaging.destination.name"}


def test_a_generator_that_is_left_is_no_failure(reader: InMemoryMetricReader) -> None:
    def handled() -> Any:
        with process(message()):
            yield

    generator = handled()
    next(generator)
    generator.close()
    assert points(reader, PROCESS)[0][0] == HANDLED


def test_each_message_is_consumed_once_by_process(reader: InMemoryMetricReader) -> None:
    one = message()
    with process(one), process(one):
        pass
    with process(message()):
        pass
    assert counts(reader, CONSUMED) == [2]


def test_each_message_is_consumed_once_by_receive_and_process(reader: InMemoryMetricReader) -> None:
    messages = [message(), message(), message()]
    with receive(messages):
        for one in messages:
            with process(one):
                pass
    ((attributes, point),) = points(reader, CONSUMED)
    assert (point.value, attributes["messaging.operation.name"]) == (3, "poll")
    assert counts(reader, PROCESS) == [3]


def test_a_message_of_another_poll_is_consumed_by_its_own_block(reader: InMemoryMetricReader) -> None:
    with receive([message()]), process(message()):
        pass
    assert sum(counts(reader, CONSUMED)) == 2


def test_a_message_that_its_client_has_counted_is_not_counted_again(reader: InMemoryMetricReader) -> None:
    one = message()
    key = consumed.note(type_of(one), one)
    with receive([one]), process(one):
        pass
    with process(one):
        pass
    assert counts(reader, CONSUMED) == []
    consumed.forget([key])
    with process(one):
        pass
    assert counts(reader, CONSUMED) == [1]


def test_the_block_of_a_poll_is_not_taken_for_its_duration(reader: InMemoryMetricReader) -> None:
    with receive([message()]):
        pass
    assert points(reader, OPERATION) == []


def test_the_time_in_the_queue_is_measured(reader: InMemoryMetricReader) -> None:
    with process(message(timestamp=(1, int((time.time() - 100) * 1000)))):
        pass
    ((attributes, point),) = points(reader, QUEUE)
    assert (attributes, point.count, tuple(point.explicit_bounds)) == (HANDLED, 1, BUCKETS)
    assert 99 < point.sum < 200


def test_a_timestamp_of_the_future_is_no_negative_time(reader: InMemoryMetricReader) -> None:
    with process(message(timestamp=(1, int((time.time() + 100) * 1000)))):
        pass
    assert points(reader, QUEUE)[0][1].sum == 0


def test_a_message_without_a_timestamp_has_no_time_in_the_queue(reader: InMemoryMetricReader) -> None:
    assert metrics.seconds_since(None) is None
    pytest.importorskip("confluent_kafka")
    with process(one := message(timestamp=(0, 0))):
        pass
    if not hasattr(one, "topic") or not callable(one.topic):
        pytest.skip("a record of our own always has a timestamp")
    assert points(reader, QUEUE) == []


def test_a_sent_message_is_timed_and_counted(reader: InMemoryMetricReader) -> None:
    for _ in range(2):
        with send("orders"):
            pass
    expected = {**HANDLED, "messaging.operation.name": "send"}
    ((attributes, point),) = points(reader, OPERATION)
    assert (attributes, point.count, tuple(point.explicit_bounds)) == (expected, 2, BUCKETS)
    assert [(attributes, point.value) for attributes, point in points(reader, SENT)] == [(expected, 2)]


def test_an_error_of_the_broker_is_told_on_both(reader: InMemoryMetricReader) -> None:
    start_send(
        "orders",
        None,
        lambda: {
            "messaging.system": "kafka",
            "messaging.operation.name": "send",
            "messaging.destination.name": "orders",
        },
    ).end("_MSG_TIMED_OUT")
    for name in (OPERATION, SENT):
        assert points(reader, name)[0][0]["error.type"] == "_MSG_TIMED_OUT"


def test_a_sent_message_is_counted_once(reader: InMemoryMetricReader) -> None:
    sending = start_send("orders", None, dict)
    assert sending.is_observed
    sending.end()
    sending.end()
    assert (counts(reader, SENT), counts(reader, OPERATION)) == ([1], [1])
    assert not sending.is_observed


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ([("traceparent", b"broken")], {"traceparent": 1}),
        ([*TRACED, ("tracestate", b"BAD")], {"tracestate": 1}),
        ([("baggage", b"bad,a=1,worse")], {"baggage": 2}),
        ([("traceparent", b"broken"), ("traceparent", b""), ("baggage", b"bad")], {"traceparent": 2, "baggage": 1}),
        (list(TRACED), {}),
        ([("traceparent", OTHER), *TRACED], {}),
        (None, {}),
    ],
)
def test_what_is_malformed_is_counted_by_field(headers: Any, fields: dict[str, int], reader: Any) -> None:
    with process(message(headers)):
        pass
    assert {
        attributes["unbroken.carrier.field"]: point.value for attributes, point in points(reader, MALFORMED)
    } == fields


@pytest.mark.parametrize(
    ("headers", "field", "number"),
    [
        ([("traceparent", b"")] * 70_000, "traceparent", 128),
        ([("ce_traceparent", b"")] * 70_000, "traceparent", 128),
        ([*TRACED, ("tracestate", b" ," * 500_000)], "tracestate", 1),
        ([("baggage", b" ," * 500_000)], "baggage", 1),
        ([("baggage", b"\xff")] * 40_000, "baggage", 65),
        ([("baggage", b",".join([b"bad"] * 100))], "baggage", 65),
    ],
)
def test_what_is_malformed_is_one_problem_of_its_field_with_a_number(
    headers: Any, field: str, number: int, reader: InMemoryMetricReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    with process(message()):
        pass
    found = metrics.instruments()
    assert found is not None
    add = found.malformed.add

    def noted(amount: int, about: Any) -> None:
        calls.append(amount)
        add(amount, about)

    monkeypatch.setattr(found.malformed, "add", noted)
    with process(message(headers)):
        pass
    ((attributes, point),) = points(reader, MALFORMED)
    assert (calls, attributes["unbroken.carrier.field"], point.value) == ([number], field, number)


def handled(name: str) -> None:
    one = message(topic=name)
    with receive([one]), process(one):
        pass


def sent(name: str) -> None:
    with send(name):
        pass


def settled(name: str) -> None:
    with settle("ack", [], {"messaging.system": "other", "messaging.destination.name": name}):
        pass


@pytest.mark.parametrize(
    ("use", "operations"),
    [(handled, {"poll", "process"}), (sent, {"send"}), (settled, {"ack"})],
    ids=["in", "out", "ack"],
)
def test_ten_thousand_destinations_are_a_bounded_number_of_series(
    use: Callable[[str], None], operations: set[str], reader: InMemoryMetricReader
) -> None:
    for number in range(10_000):
        use(f"orders.{number}")
    data = reader.get_metrics_data()
    assert data is not None
    found: dict[Any, set[Any]] = {}
    for scope in data.resource_metrics[0].scope_metrics:
        for metric in scope.metrics:
            for point in metric.data.data_points:
                shown = dict(point.attributes or {})
                found.setdefault(shown["messaging.operation.name"], set()).add(shown["messaging.destination.name"])
    expected = {*(f"orders.{number}" for number in range(1000)), "_OTHER"}
    assert found == {operation: expected for operation in operations}  # noqa: C420 - the set is compared only


def test_a_new_provider_has_destinations_of_its_own(reader: InMemoryMetricReader) -> None:
    with process(message(topic="late")):
        pass
    assert points(reader, PROCESS)[0][0]["messaging.destination.name"] == "late"


def test_the_meter_has_the_version_of_the_tracer(reader: InMemoryMetricReader, finished: Finished) -> None:
    with process(message()):
        pass
    data = reader.get_metrics_data()
    assert data is not None
    (scope,) = data.resource_metrics[0].scope_metrics
    (span,) = finished()
    assert span.instrumentation_scope is not None
    assert scope.scope.version == span.instrumentation_scope.version == __version__


def test_group_and_server_are_told_and_a_key_is_not(reader: InMemoryMetricReader) -> None:
    facts: dict[str, Any] = {"messaging.consumer.group.name": "g", "server.address": "broker", "server.port": 9092}
    with process(message(), attributes={**facts, "tenant": "a"}):
        pass
    assert points(reader, PROCESS)[0][0] == {**HANDLED, **facts}


def test_metrics_and_spans_do_not_need_each_other(reader: InMemoryMetricReader, finished: Finished) -> None:
    with process(message()), send("orders"):
        pass
    assert (counts(reader, PROCESS), counts(reader, SENT), len(finished())) == ([1], [1], 2)


def test_without_spans_there_are_metrics(reader: InMemoryMetricReader, use_policy: Callable[..., None]) -> None:
    use_policy(spans=False)
    with process(message()), send("orders"):
        pass
    assert (counts(reader, PROCESS), counts(reader, SENT)) == ([1], [1])


def test_suppressed_and_ignored_messages_are_not_counted(
    reader: InMemoryMetricReader, use_policy: Callable[..., None]
) -> None:
    with suppress_instrumentation(), process(message()), receive([message()]), send("orders"):
        pass
    use_policy(ignore=("orders",))
    with process(message()), receive([message()]), send("orders"):
        pass
    assert [points(reader, name) for name in (PROCESS, OPERATION, SENT, CONSUMED, QUEUE)] == [[]] * 5


@pytest.mark.parametrize("provider", [None, NoOpMeterProvider()])
def test_without_a_meter_provider_nothing_is_timed(provider: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", provider)
    assert metrics.instruments() is None
    assert not start_send("orders", None, dict).is_observed


def test_a_meter_provider_that_is_set_late_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with process(message()):
        pass
    for _ in range(2):
        reader = InMemoryMetricReader()
        provider = MeterProvider([reader])
        monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", provider)
        with process(message()):
            pass
        assert counts(reader, PROCESS) == [1]
        provider.shutdown()


def test_a_provider_that_comes_while_a_message_is_processed_measures_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    with process(message()):
        monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", provider)
    with process(message()):
        pass
    assert counts(reader, PROCESS) == [1]
    provider.shutdown()


def test_where_opentelemetry_keeps_its_provider_elsewhere_it_is_asked(
    reader: InMemoryMetricReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_global", None)
    with process(message()):
        pass
    assert counts(reader, PROCESS) == [1]
