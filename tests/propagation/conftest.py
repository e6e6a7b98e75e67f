"""The global propagator, for tests that set another one."""

from collections.abc import Callable, Iterator

import pytest
from opentelemetry import propagate
from opentelemetry.propagators.textmap import TextMapPropagator


@pytest.fixture
def set_propagator() -> Iterator[Callable[[TextMapPropagator], None]]:
    """A function that sets the global propagator for the test."""
    before = propagate.get_global_textmap()
    yield propagate.set_global_textmap
    propagate.set_global_textmap(before)
