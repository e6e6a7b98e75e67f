"""The tracer that every OpenTelemetry contender runs with, and the request it is in."""

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

SAMPLERS = {"ALWAYS_OFF": ALWAYS_OFF, "ParentBased(ALWAYS_ON)": ParentBased(ALWAYS_ON)}


def provide(sampler: str = "ParentBased(ALWAYS_ON)") -> None:
    """Set the global tracer provider, with one processor that does nothing."""
    provider = TracerProvider(sampler=SAMPLERS[sampler])
    provider.add_span_processor(SpanProcessor())
    trace.set_tracer_provider(provider)


def remote_parent(sampled: bool) -> Context:
    """Return the context of a request that is being handled: a parent with the flag that says so."""
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    remote = SpanContext(0x51F0BFAB4E329A4612E5A2F27D01166F, 0x0845FB7094330320, True, flags)
    return trace.set_span_in_context(NonRecordingSpan(remote), Context())
