"""The collector takes what the exporters of three languages send."""

import gzip
import http.client
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from interop import collector
from interop.collector import Collector


@pytest.fixture
def running() -> Iterator[Collector]:
    with collector.running() as found:
        yield found


def spans() -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    resource.scope_spans.add().spans.add(name="send orders")
    return bytes(request.SerializeToString())


def metrics() -> bytes:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    resource.scope_metrics.add().metrics.add(name="messaging.process.duration")
    return bytes(request.SerializeToString())


def post(url: str, body: bytes, **headers: str) -> int:
    with urlopen(Request(url, body, headers), timeout=10) as answer:
        status: int = answer.status
        return status


def test_spans_are_kept_by_service(running: Collector) -> None:
    assert post(f"{running.url}/v1/traces", spans()) == 200
    assert running.spans == {"shop": [{"spans": [{"name": "send orders"}]}]}


def test_metrics_are_kept_by_service(running: Collector) -> None:
    assert post(f"{running.url}/v1/metrics", metrics()) == 200
    assert running.metrics == {"shop": [{"metrics": [{"name": "messaging.process.duration"}]}]}


def test_a_compressed_body_is_read(running: Collector) -> None:
    assert post(f"{running.url}/v1/traces", gzip.compress(spans()), **{"Content-Encoding": "gzip"}) == 200
    assert running.spans["shop"] == [{"spans": [{"name": "send orders"}]}]


def test_a_body_in_chunks_is_read(running: Collector) -> None:
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=10)
    body = spans()
    connection.request("POST", "/v1/traces", iter([body[:5], body[5:]]), encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert running.spans["shop"] == [{"spans": [{"name": "send orders"}]}]


def test_what_it_does_not_know_is_refused(running: Collector) -> None:
    with pytest.raises(HTTPError, match="404") as refused:
        post(f"{running.url}/v1/logs", b"")
    refused.value.close()
