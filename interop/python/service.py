"""What every service of the chain in Python has: its settings, its telemetry, its life."""

import json
import os
import sys
import threading

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

KAFKA = os.environ["UNBROKEN_KAFKA"]
AMQP = os.environ["UNBROKEN_AMQP"]
SQS = os.environ["UNBROKEN_SQS"]
_SUFFIX = os.environ.get("INTEROP_SUFFIX", "")

ORDERS, PRICED, PRICED_DLT = f"orders{_SUFFIX}", f"priced{_SUFFIX}", f"priced{_SUFFIX}-dlt"
REFUNDS, ARCHIVE = f"refunds{_SUFFIX}", f"archive{_SUFFIX}"

_unwanted = threading.Event()


def start(name: str) -> None:
    """Send the spans of this service to every address of UNBROKEN_OTLP, the last of them when the process ends."""
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    for url in os.environ["UNBROKEN_OTLP"].split(","):
        exporter = OTLPSpanExporter(f"{url}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=200))
    trace.set_tracer_provider(provider)
    threading.Thread(target=_wait, name="stdin", daemon=True).start()


def ready() -> None:
    """Tell the starter that the service takes messages."""
    print("ready", flush=True)


def is_wanted() -> bool:
    """Return whether the starter still wants the service: its standard input is open."""
    return not _unwanted.is_set()


def tell(order: str, span: trace.Span | None = None) -> None:
    """Tell the starter in which trace this order was met: that of the span, or of the current one."""
    context = (span or trace.get_current_span()).get_span_context()
    print(json.dumps({"order": order, "trace": f"{context.trace_id:032x}"}), flush=True)


def _wait() -> None:
    sys.stdin.read()
    _unwanted.set()
