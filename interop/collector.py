"""A collector inside the process: takes OTLP over HTTP, and keeps the spans and metrics of each service."""

import gzip
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_REQUESTS: dict[str, tuple[Any, str]] = {
    "/v1/traces": (ExportTraceServiceRequest, "resourceSpans"),
    "/v1/metrics": (ExportMetricsServiceRequest, "resourceMetrics"),
}


class Collector:
    """What was taken, by the name of the service: OTLP as dictionaries, with the names of its JSON, ids in base64."""

    def __init__(self, url: str) -> None:
        self.url = url
        """The base URL, below which are `/v1/traces` and `/v1/metrics`."""
        self.spans: dict[str, list[dict[str, Any]]] = defaultdict(list)
        """The members of `scopeSpans`, in the order of their arrival."""
        self.metrics: dict[str, list[dict[str, Any]]] = defaultdict(list)
        """The members of `scopeMetrics`, in the order of their arrival."""
        self._lock = threading.Lock()

    def take(self, path: str, body: bytes) -> None:
        """Keep what a request holds."""
        kind, name = _REQUESTS[path]
        request = kind()
        request.ParseFromString(body)
        with self._lock:
            for resource in MessageToDict(request).get(name, ()):
                service = _service(resource["resource"])
                if path == "/v1/traces":
                    self.spans[service] += resource["scopeSpans"]
                else:
                    self.metrics[service] += resource["scopeMetrics"]


@contextmanager
def running() -> Iterator[Collector]:
    """A collector that takes OTLP (http/protobuf) until the end of the block, on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    server.collector = collector  # type: ignore[attr-defined]  # how a handler finds it
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="collector")
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._body()
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        known = self.path in _REQUESTS
        if known:
            self.server.collector.take(self.path, body)  # type: ignore[attr-defined]
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self) -> bytes:
        """The body, which Java's exporter sends in chunks."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


def _service(resource: dict[str, Any]) -> str:
    attributes = {each["key"]: each["value"] for each in resource["attributes"]}
    name: str = attributes["service.name"]["stringValue"]
    return name
