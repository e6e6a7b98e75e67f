"""An OpenTelemetry that keeps its context or lays out its types in another way: in an interpreter of its own."""

import inspect
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from opentelemetry import propagate

CHECK = """
from opentelemetry.trace import get_current_span
from unbroken import attached, extract, inject
headers = [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("tracestate", b"a=1")]
context = extract(headers)
assert inject(context=context) == headers
span_context = get_current_span(context).get_span_context()
assert span_context.is_valid and span_context.is_remote, span_context
assert extract(headers[:1])
before = get_current()
with attached(context):
    assert get_current() is context
    assert inject() == headers
assert get_current() == before
"""

RUNTIME = """
import threading
from opentelemetry.context import Context
from opentelemetry.context.context import _RuntimeContext
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext

attaches = []

class Local(_RuntimeContext):
    def __init__(self):
        self._local = threading.local()
    def attach(self, context):
        attaches.append(context)
        before = self.get_current()
        self._local.context = context
        return before
    def get_current(self):
        return getattr(self._local, "context", Context())
    def detach(self, token):
        self._local.context = token

class Listening(ContextVarsRuntimeContext):
    def attach(self, context):
        attaches.append(context)
        return super().attach(context)
"""

LAYOUT = """
import opentelemetry.trace as trace
import opentelemetry.trace.span as span_module

class Other{base}:
    def __new__(cls, trace_id, span_id, is_remote, trace_flags=None, trace_state=None):
        self = {make}
        self.trace_id, self.span_id, self.is_remote = trace_id, span_id, is_remote
        self.trace_flags = trace_flags if trace_flags is not None else trace.TraceFlags(0)
        self.trace_state = trace_state if trace_state is not None else trace.TraceState()
        self.is_valid = bool(trace_id and span_id)
        return self

trace.SpanContext = span_module.SpanContext = Other
trace.INVALID_SPAN_CONTEXT = span_module.INVALID_SPAN_CONTEXT = Other(0, 0, False)
trace.INVALID_SPAN = span_module.INVALID_SPAN = trace.NonRecordingSpan(Other(0, 0, False))
"""


def run(program: str, path: Path | None = None, **environment: str) -> None:
    """Run a program in an interpreter of its own; what it prints to stderr is the failure."""
    paths = [str(path), os.environ.get("PYTHONPATH", "")] if path is not None else []
    extra = {"PYTHONPATH": os.pathsep.join(filter(None, paths))} if paths else {}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        env={**os.environ, **extra, **environment},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def runtimes(tmp_path: Path) -> Path:
    """A folder with a package that offers two runtime contexts as its entry points."""
    (tmp_path / "runtimes.py").write_text(RUNTIME)
    info = tmp_path / "runtimes-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: runtimes\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[opentelemetry_context]\nlocal = runtimes:Local\nlistening = runtimes:Listening\n"
    )
    return tmp_path


@pytest.mark.parametrize("name", ["local", "listening"])
def test_a_runtime_context_of_another_kind_is_asked(name: str, runtimes: Path) -> None:
    program = (
        f"from opentelemetry.context import get_current\n{CHECK}\nimport runtimes\nassert context in runtimes.attaches"
    )
    run(program, runtimes, OTEL_PYTHON_CONTEXT=name)


@pytest.mark.parametrize(("base", "make"), [("", "object.__new__(cls)"), ("(tuple)", "tuple.__new__(cls, (span_id,))")])
def test_a_span_context_of_another_layout_is_read_by_its_names(base: str, make: str) -> None:
    program = f"{LAYOUT.format(base=base, make=make)}\nfrom opentelemetry.context import get_current\n{CHECK}"
    run(f"{program}\nfrom unbroken.propagation import context as own\nassert own.IS_TUPLE is False")


def test_propagators_can_be_left_out_by_the_environment() -> None:
    if '"none"' not in inspect.getsource(propagate):
        pytest.skip("this OpenTelemetry does not know OTEL_PROPAGATORS=none")
    run(
        """
        from unbroken import extract, inject
        headers = [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
        assert not extract(headers)
        assert inject(headers) == headers
        """,
        OTEL_PROPAGATORS="none",
    )


@pytest.mark.parametrize(
    "names", ["b3", "b3multi", "jaeger", "xray", "b3,tracecontext,baggage", "tracecontext,baggage"]
)
def test_propagators_can_be_chosen_by_the_environment(names: str) -> None:
    run(
        """
        from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, get_current_span, set_span_in_context
        from unbroken import extract, inject
        span = NonRecordingSpan(SpanContext(0xaf7651916cd43dd8448eb211c80319c, 2, False, TraceFlags(1)))
        found = get_current_span(extract(inject(context=set_span_in_context(span)))).get_span_context()
        assert (found.trace_id, found.span_id) == (0xaf7651916cd43dd8448eb211c80319c, 2)
        """,
        OTEL_PROPAGATORS=names,
    )
