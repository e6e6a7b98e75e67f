"""Applications run by `opentelemetry-instrument`, each on a topic of its own."""

import uuid
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.instrumentation.running import LAUNCHER, Run, run

collect_ignore = ["apps"]  # programs, not modules: to import one is to run it

Launch = Callable[..., Run]


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    """A function that runs an application of `apps` with arguments and environment variables."""
    if not LAUNCHER.exists():
        pytest.skip("opentelemetry-instrument is not installed: pip install unbroken[instrument]")

    def launched(app: str, *args: str, **variables: str) -> Run:
        return run(app, *args, folder=tmp_path, **variables)

    return launched


@pytest.fixture
def topic() -> str:
    """A topic that no other test knows."""
    return f"zero-code-{uuid.uuid4().hex[:12]}"


def needs(module: str) -> pytest.MarkDecorator:
    """Return the mark of a test that needs this module."""
    found = find_spec(module.partition(".")[0]) is not None and find_spec(module) is not None
    return pytest.mark.skipif(not found, reason=f"{module} is not installed, or not in this version")
