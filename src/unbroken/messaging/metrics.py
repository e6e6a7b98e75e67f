"""The metrics of messages. Without a meter provider there are no instruments, and nothing is timed or counted."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import Counter, Histogram, NoOpMeterProvider
from opentelemetry.metrics import _internal as metrics_internal

from unbroken.messaging import semconv
from unbroken.messaging.semconv import Attributes, Destination
from unbroken.messaging.tracing import SCOPE, log_internal_error, version
from unbroken.propagation.problems import Problem


@dataclass(frozen=True, slots=True)
class Instruments:
    """The instruments of one meter provider; durations in seconds."""

    process_duration: Histogram
    operation_duration: Histogram
    queue_duration: Histogram
    sent: Counter
    consumed: Counter
    malformed: Counter
    full: Counter


class Timing:
    """A duration that is being measured, with the seconds before; `finish` records it, once."""

    __slots__ = ("_attributes", "_histogram", "_started")

    def __init__(self, histogram: Histogram, attributes: Attributes, before: float = 0.0) -> None:
        self._histogram = histogram
        self._attributes = attributes
        self._started = time.perf_counter() - before

    def finish(self, error: BaseException | str | None, now: float | None = None) -> None:
        """Record the seconds since the start; a failure is an exception or the broker's error code. Never raises.

        Args:
            error: None for a success.
            now: `time.perf_counter()` of the end, if that is past.
        """
        try:
            ended = time.perf_counter() if now is None else now
            self._histogram.record(ended - self._started, failed(self._attributes, error))
        except Exception as failure:
            log_internal_error("a metric", failure)


def failed(attributes: Attributes, error: BaseException | str | None) -> Attributes:
    """Return the attributes with `error.type`, when there is an error."""
    if error is None or isinstance(error, GeneratorExit):
        return attributes
    return {**attributes, semconv.ERROR_TYPE: error if isinstance(error, str) else semconv.error_type(error)}


# Asking for the provider by the public function looks into the environment each time, 0.5 µs while there is none; the
# global that it guards is read directly, if it is where it has always been.
_global: Any = metrics_internal if hasattr(metrics_internal, "_METER_PROVIDER") else None
_provider: object = object()  # none was seen yet
_instruments: Instruments | None = None


given_providers: list[metrics.MeterProvider] = []
"""The meter providers that instrumentors were given; the last is used in place of the global one."""


def instruments() -> Instruments | None:
    """Return the instruments of the meter provider in use, None while there is none that records."""
    global _provider, _instruments
    if given_providers:
        provider = given_providers[-1]
    else:
        provider = _global._METER_PROVIDER if _global is not None else metrics.get_meter_provider()  # noqa: SLF001
    if provider is not _provider:
        _instruments = _made()  # asks by the public function, which may load a provider (OTEL_PYTHON_METER_PROVIDER)
        _provider = provider
    return _instruments


def add(counter: Counter, amount: int, attributes: Attributes) -> None:
    """Add to a counter. Never raises."""
    try:
        counter.add(amount, attributes)
    except Exception as failure:
        log_internal_error("a metric", failure)


MAX_DESTINATIONS = 1000
"""Destinations that have series of their own in one process; `OTHER` stands for all others."""
OTHER = "_OTHER"
_destinations: set[str] = set()
"""The destinations that have series of their own."""


def labels(attributes: Attributes) -> Attributes:
    """Return those of a span's attributes that go on its metrics.

    What is another with each message is on none of them: each value would be a series, which the SDK keeps for ever.
    """
    found = {name: attributes[name] for name in semconv.METRIC_ATTRIBUTES if name in attributes}
    destination: Any = found.pop(semconv.DESTINATION, "")
    stable = destination.stable if type(destination) is Destination else destination
    name = semconv.DESTINATION
    if semconv.ANONYMOUS in attributes:
        name = semconv.TEMPLATE
        if stable is destination:
            stable = attributes.get(name, "")
    if stable:
        found[name] = _limited(stable)
    return found


def _limited(destination: str) -> str:
    """Return what a destination is called on metrics."""
    if destination in _destinations:
        return destination
    if len(_destinations) >= MAX_DESTINATIONS:
        return OTHER
    _destinations.add(destination)
    return destination


def count_malformed(system: str, problems: Iterable[Problem]) -> None:
    """Count what is malformed in each field of a message: one call for a field, however much it is."""
    if found := instruments():
        for problem in problems:
            add(found.malformed, problem.number, {semconv.SYSTEM: system, semconv.MALFORMED_FIELD: problem.field})


def count_left_out(system: str, fields: Iterable[str]) -> None:
    """Count each propagation field that a message had no room for."""
    if found := instruments():
        for name in fields:
            add(found.full, 1, {semconv.SYSTEM: system, semconv.MALFORMED_FIELD: name})


def seconds_since(timestamp: float | None) -> float | None:
    """Return how long ago the timestamp (seconds since the epoch) was, never negative; None for None."""
    return None if timestamp is None else max(0.0, time.time() - timestamp)


def _records(provider: object) -> bool:
    # The API's placeholder is private; unlike a provider that records it cannot be shut down.
    return not isinstance(provider, NoOpMeterProvider) and hasattr(provider, "shutdown")


def _made() -> Instruments | None:
    try:
        provider = given_providers[-1] if given_providers else metrics.get_meter_provider()
        return _instruments_of(provider) if _records(provider) else None
    except Exception as failure:  # a provider that knows less than the API asks for
        log_internal_error("the making of metrics", failure)
        return None


def _instruments_of(provider: metrics.MeterProvider) -> Instruments:
    meter = provider.get_meter(SCOPE, version(), schema_url=semconv.SCHEMA_URL)

    def seconds(name: str, what: str) -> Histogram:
        return meter.create_histogram(
            name, "s", what, explicit_bucket_boundaries_advisory=list(semconv.DURATION_BUCKETS)
        )

    return Instruments(
        process_duration=seconds(semconv.PROCESS_DURATION, "Duration of processing a message."),
        operation_duration=seconds(semconv.OPERATION_DURATION, "Duration of an operation of a messaging client."),
        queue_duration=seconds(
            semconv.QUEUE_DURATION, "Time from a message's timestamp to the start of its processing."
        ),
        sent=meter.create_counter(semconv.SENT_MESSAGES, "{message}", "Messages that a producer tried to send."),
        consumed=meter.create_counter(semconv.CONSUMED_MESSAGES, "{message}", "Messages given to the application."),
        malformed=meter.create_counter(
            semconv.MALFORMED_CARRIERS, "{field}", "Propagation fields that were malformed."
        ),
        full=meter.create_counter(
            semconv.FULL_CARRIERS, "{field}", "Propagation fields for which a message had no room."
        ),
    )
