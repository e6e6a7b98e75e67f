"""`unbroken demo`, run as a person runs it: broken before, one trace after, nothing left behind."""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.demo.shown import CLIENTS, Shown, run_demo
from unbroken.demo.changes import change
from unbroken.demo.traces import Span, Trace

TRACES = {"chain": (2, 1), "retry": (3, 1), "dead-letter": (4, 1), "batch": (11, 10)}
"""How many traces each scenario makes, before and after."""
LAST_WORDS = "13 requests: 20 traces before, 13 after; the 3 changed lines of payments.py"


def test_it_ends_without_a_complaint(shown: Shown) -> None:
    assert (shown.status, shown.errors) == (0, "")


def test_it_says_what_differs_and_where_the_page_is(shown: Shown) -> None:
    output = " ".join(shown.output.split())
    assert LAST_WORDS in output
    assert "+ with process(message):" in output
    assert str(shown.page) in shown.output


@pytest.mark.parametrize("scenario", TRACES)
def test_before_there_are_more_traces_than_requests(shown: Shown, scenario: str) -> None:
    assert len(shown.traces(scenario, "before")) == TRACES[scenario][0]


@pytest.mark.parametrize("scenario", TRACES)
def test_after_there_is_one_trace_for_each_request(shown: Shown, scenario: str) -> None:
    traces = shown.traces(scenario, "after")
    assert len(traces) == TRACES[scenario][1]
    assert [len(trace.orders) for trace in traces] == [1] * len(traces)


@pytest.mark.parametrize("scenario", TRACES)
def test_before_each_consumer_begins_a_trace_of_its_own(shown: Shown, scenario: str) -> None:
    spans = [span for trace in shown.traces(scenario, "before") for span in trace.spans if span.kind == "CONSUMER"]
    assert spans
    assert {span.parent_id for span in spans} == {None}


@pytest.mark.parametrize("scenario", TRACES)
def test_after_each_message_is_processed_below_the_span_that_sent_it(shown: Shown, scenario: str) -> None:
    for trace in shown.traces(scenario, "after"):
        for span in trace.spans:
            if span.kind == "CONSUMER":
                assert parent(trace, span).name == span.name.replace("process", "send")


def test_a_retry_is_two_attempts_in_one_trace(shown: Shown) -> None:
    (trace,) = shown.traces("retry", "after")
    assert [span.name for span in trace.spans if span.kind == "CONSUMER"] == ["process orders", "process orders.retry"]
    assert [span.error is None for span in trace.spans if span.name == "charge card"] == [False, True]


def test_a_dead_letter_leads_back_to_the_request_through_both_errors(shown: Shown) -> None:
    (trace,) = shown.traces("dead-letter", "after")
    span = next(span for span in trace.spans if span.name == "write to customer")
    path = [span.name]
    while span.parent_id:
        span = parent(trace, span)
        path.append(span.name)
    assert path == [
        "write to customer",
        "process orders.dlq",
        "send orders.dlq",
        "process orders.retry",
        "send orders.retry",
        "process orders",
        "send orders",
        "POST /orders",
    ]
    assert sum(span.error is not None for span in trace.spans) == 2


def test_before_ten_customers_share_the_trace_of_the_batch(shown: Shown) -> None:
    assert max(len(trace.orders) for trace in shown.traces("batch", "before")) == 10


@pytest.mark.parametrize("client", CLIENTS)
def test_three_lines_of_the_payment_service_differ(client: str) -> None:
    found = change(client.replace("-", "_"), "payments")
    assert found.count == 3
    assert next(line.text for line in found.lines if line.sign == "+") == "from unbroken import forward, process"


@pytest.mark.parametrize("client", CLIENTS)
def test_it_runs_on_a_real_kafka_and_deletes_its_topics(client: str, real_kafka: str, tmp_path: Path) -> None:
    shown = run_demo(tmp_path, "--client", client, "--bootstrap", real_kafka)
    assert (shown.status, shown.errors) == (0, "")
    assert LAST_WORDS in " ".join(shown.output.split())
    assert topics(real_kafka) == []


def test_the_spans_of_both_sides_go_to_an_otlp_backend_as_well(tmp_path: Path) -> None:
    with backend() as (url, received):
        shown = run_demo(tmp_path, "--otlp", url)
    assert shown.status == 0
    on_the_page = {
        span.span_id
        for scenario in TRACES
        for side in ("before", "after")
        for trace in shown.traces(scenario, side)
        for span in trace.spans
    }
    assert exported(received) == on_the_page


def test_a_backend_that_refuses_is_named_and_the_demo_still_shows(tmp_path: Path) -> None:
    with backend(status=400) as (url, _):
        shown = run_demo(tmp_path, "--otlp", url)
    assert shown.status == 0
    assert shown.errors == f"--otlp: {url}/v1/traces did not take all spans\n"
    assert shown.page.exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "localhost:4318", "nonsense"])
def test_a_backend_that_is_not_there_is_named_and_the_demo_still_shows(url: str, tmp_path: Path) -> None:
    shown = run_demo(tmp_path, "--otlp", url)
    assert shown.status == 0
    assert shown.errors.startswith(f"--otlp: nobody answers at {url} (")
    assert shown.page.exists()


def test_a_kafka_that_is_not_there_is_named_within_seconds(tmp_path: Path) -> None:
    started = time.monotonic()
    shown = run_demo(tmp_path, "--bootstrap", "127.0.0.1:1")
    assert time.monotonic() - started < 8
    assert (shown.status, shown.errors) == (2, "unbroken demo: 127.0.0.1:1: no Kafka answers within 4 s\n")


def test_a_page_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "page.html"
    shown = run_demo(tmp_path, "--html", str(missing))
    assert (shown.status, shown.errors) == (2, f"unbroken demo: cannot write {missing}: No such file or directory\n")


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_no_service_outlives_an_interrupted_demo(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "unbroken", "demo"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as demo:
        services = children(demo.pid, at_least=4)
        demo.send_signal(number)
        assert demo.stderr is not None
        errors = demo.stderr.read()
        assert demo.wait(10) == 130
    assert errors == b""
    assert [service for service in services if Path(f"/proc/{service}").exists()] == []


def parent(trace: Trace, span: Span) -> Span:
    return next(other for other in trace.spans if other.span_id == span.parent_id)


def children(process: int, at_least: int) -> list[int]:
    """The children of a process, as soon as there are this many."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        if len(found) >= at_least:
            return [int(child) for child in found]
    raise AssertionError("the services did not start")


def topics(bootstrap: str) -> list[str]:
    """The demo's topics on a Kafka."""
    from confluent_kafka.admin import AdminClient

    found = AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics
    return [topic for topic in found if re.match("unbroken-demo-", topic)]


@contextmanager
def backend(status: int = 200) -> Iterator[tuple[str, list[bytes]]]:
    """An OTLP/HTTP backend that answers with a status: its URL and the bodies that it received."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def exported(bodies: list[bytes]) -> set[str]:
    """The ids of the spans in OTLP requests; gzip is not asked for."""
    return {
        span.span_id.hex()
        for body in bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
