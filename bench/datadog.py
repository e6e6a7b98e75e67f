"""ddtrace, set up to do its work and send nothing."""

import os

os.environ |= {
    "DD_KAFKA_PROPAGATION_ENABLED": "true",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_STARTUP_LOGS": "false",
}

from ddtrace.trace import Span, TraceFilter, tracer  # reads the environment when it is imported


class Drop(TraceFilter):
    """The counterpart of a span processor that does nothing."""

    def process_trace(self, trace: list[Span]) -> None:
        """Return no trace: nothing is sent."""


def drop_every_trace() -> None:
    """Let the tracer drop what it has finished."""
    tracer.configure(trace_processors=[Drop()])


def instrument() -> None:
    """Patch the clients as the documentation says; to be called before they are imported."""
    from ddtrace import patch

    drop_every_trace()
    patch(kafka=True, aiokafka=True)


def activate(sampled: bool) -> None:
    """Make a remote parent current, with the decision that says so."""
    from ddtrace.trace import Context

    tracer.context_provider.activate(
        Context(trace_id=0x51F0BFAB4E329A46, span_id=0x0845FB7094330320, sampling_priority=int(sampled))
    )
