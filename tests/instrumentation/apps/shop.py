"""What the applications have in common: nothing of it knows of tracing beyond a span of the handler's own."""

import time
from collections.abc import Callable
from typing import Any

from opentelemetry import trace

tracer = trace.get_tracer("application")


def handle(name: str) -> None:
    """A handler with a span of its own."""
    with tracer.start_as_current_span(f"handle {name}"):
        pass


def after() -> None:
    """Work that belongs to no record."""
    with tracer.start_as_current_span("after"):
        pass


def first(poll: Callable[[], Any]) -> Any:
    """What `poll` gives when it gives something."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if given := poll():
            return given
    raise TimeoutError("no message came")
