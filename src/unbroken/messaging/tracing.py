"""The tracer in use, and what its sampler is known to drop."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import NoOpTracer, ProxyTracer, ProxyTracerProvider, SpanContext, TraceFlags, Tracer

from unbroken.messaging.semconv import SCHEMA_URL
from unbroken.propagation.context import new_span_context

SCOPE = "unbroken"
"""The instrumentation scope of our tracer and meter."""

_logger = logging.getLogger(SCOPE)
_WITHOUT_SAMPLED = tuple(TraceFlags(flags & 2) for flags in range(4))


@dataclass(frozen=True, slots=True)
class Tracing:
    """A tracer, and for each kind of parent whether its sampler drops the span whatever it is.

    Attributes:
        tracer: None when nothing would record a span (no SDK, or a disabled one).
        dropped_local: for a parent in this process that is 0 not sampled, 1 sampled.
        dropped_remote: the same for a parent from the wire.
        ids: the SDK's generator of ids; None when nothing is dropped.
    """

    tracer: Tracer | None
    dropped_local: tuple[bool, bool] = (False, False)
    dropped_remote: tuple[bool, bool] = (False, False)
    ids: Any = None

    def drops(self, parent: SpanContext) -> bool:
        """Return whether a child of `parent` is dropped without the sampler looking at it."""
        return (self.dropped_remote if parent.is_remote else self.dropped_local)[parent.trace_flags & 1]

    def dropped_child(self, parent: SpanContext) -> SpanContext:
        """Return the context of a child that is not recorded: what the SDK would make, a new id and flags, no more."""
        trace_id, _, _, flags, state, _ = parent  # a tuple wherever something is dropped
        return new_span_context(
            (trace_id, self.ids.generate_span_id(), False, _WITHOUT_SAMPLED[flags & 3], state, True)
        )


# Read directly for the same reason as the meter provider in metrics.py.
_global: Any = trace if hasattr(trace, "_TRACER_PROVIDER") else None
_provider: object = object()  # none was seen yet
_tracing = Tracing(None)


given_providers: list[trace.TracerProvider] = []
"""The tracer providers that instrumentors were given; the last is used in place of the global one."""


def tracing() -> Tracing:
    """Return the tracing of the tracer provider in use."""
    global _provider, _tracing
    if given_providers:
        provider = given_providers[-1]
    else:
        provider = _global._TRACER_PROVIDER if _global is not None else trace.get_tracer_provider()  # noqa: SLF001
    if provider is not _provider:
        # None asks by the public function, which may load a provider (OTEL_PYTHON_TRACER_PROVIDER).
        given = provider if given_providers else None
        _tracing = _of(trace.get_tracer(SCOPE, version(), given, SCHEMA_URL))
        _provider = provider
    return _tracing


def _of(tracer: Tracer) -> Tracing:
    if isinstance(tracer, (NoOpTracer, ProxyTracer)):
        return Tracing(None)
    ids = getattr(tracer, "id_generator", None)
    sampler: Any = getattr(tracer, "sampler", None)
    sampling: Any = sys.modules.get("opentelemetry.sdk.trace.sampling")
    if ids is None or sampler is None or sampling is None:
        return Tracing(tracer)
    off = sampling.ALWAYS_OFF
    # A subclass may decide by itself: then it is asked.
    is_parent_based = getattr(sampler.should_sample, "__func__", None) is sampling.ParentBased.should_sample

    def drops(branch: str) -> bool:
        chosen = getattr(sampler, f"_{branch}", None) if is_parent_based else sampler
        return chosen is off

    return Tracing(
        tracer,
        dropped_local=(drops("local_parent_not_sampled"), drops("local_parent_sampled")),
        dropped_remote=(drops("remote_parent_not_sampled"), drops("remote_parent_sampled")),
        ids=ids,
    )


def version() -> str:
    """Return the version of unbroken, for the scope of what it makes."""
    from unbroken import __version__

    return __version__


_is_sdk_missed = False


def log_missing_sdk() -> None:
    """Say once, when a message is processed, that no tracer provider is set and nothing records its span."""
    global _is_sdk_missed
    if _is_sdk_missed or not isinstance(trace.get_tracer_provider(), ProxyTracerProvider):
        return
    _is_sdk_missed = True
    _logger.info(
        "No OpenTelemetry SDK is configured: context is propagated, but no spans are recorded. Call "
        "opentelemetry.trace.set_tracer_provider() before the first message, or start with opentelemetry-instrument."
    )


_logged: set[tuple[str, type[BaseException]]] = set()
_said: set[str] = set()


def log_internal_error(where: str, error: Exception) -> None:
    """Log an exception of the telemetry itself, once per place and class: it must not reach the application."""
    if (where, type(error)) not in _logged:
        _logged.add((where, type(error)))
        _logger.error(
            "Internal error in unbroken (%s). The message was not affected. This is logged once.", where, exc_info=error
        )


def warn_once(text: str, key: str | None = None) -> None:
    """Log a warning about messages, once per key (default: the text)."""
    if (key or text) not in _said:
        _said.add(key or text)
        _logger.warning("%s (logged once)", text)
