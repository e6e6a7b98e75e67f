"""What comes from outside is on the spans in a form that the encoder of OTLP takes."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.messaging.telemetry import Finished, attributes, message
from unbroken import process, receive, send
from unbroken.messaging.semconv import MAX_TEXT
from unbroken.messaging.send import start_send
from unbroken.messaging.settle import settle

HALF = "\ud800"
HOSTILE: dict[str, Any] = {
    "long": "x" * 2**20,
    "half": f"a{HALF}b",
    "long.half": "é" * (MAX_TEXT - 1) + HALF + "é",
    "big": 2**63,
    "small": -(2**63) - 1,
    "huge": 10**5000,
    "none": None,
    "octets": b"\xff" * 2**20,
    "texts": ["x" * 2**20, HALF, None],
    "numbers": [2**64, 1],  # the oldest SDK takes no list of both
    "last": 2**63 - 1,
    "first": -(2**63),
    "true": True,
    "real": 1.5,
    "accent": "é",
    "normal": "text",
}
EXPORTED = {
    "long": "x" * MAX_TEXT,
    "half": "a?b",
    "long.half": "é" * (MAX_TEXT - 1) + "?",
    "octets": "\ufffd" * MAX_TEXT,
    "texts": ("x" * MAX_TEXT, "?"),
    "numbers": (1,),
    "last": 2**63 - 1,
    "first": -(2**63),
    "true": True,
    "real": 1.5,
    "accent": "é",
    "normal": "text",
}


def encoded(spans: Any, caplog: pytest.LogCaptureFixture) -> Any:
    """Return the spans as OTLP has them; an attribute that its encoder has to leave out is a failure."""
    encoder = pytest.importorskip("opentelemetry.exporter.otlp.proto.common.trace_encoder")
    with caplog.at_level(logging.WARNING):
        request = encoder.encode_spans(spans)
    request.SerializeToString()
    assert caplog.records == []
    return request


def test_attributes_of_a_message_are_exported(finished: Finished, caplog: pytest.LogCaptureFixture) -> None:
    with process(message(), attributes=dict(HOSTILE)):
        pass
    (span,) = finished()
    assert {name: value for name, value in attributes(span).items() if name in HOSTILE} == EXPORTED
    encoded([span], caplog)


def test_a_key_of_a_mebibyte_is_cut(finished: Finished, caplog: pytest.LogCaptureFixture) -> None:
    with process(message(key=b"k" * 2**20)):
        pass
    (span,) = finished()
    assert attributes(span)["messaging.kafka.message.key"] == "k" * MAX_TEXT
    encoded([span], caplog)


def test_links_of_a_poll_are_exported(finished: Finished, caplog: pytest.LogCaptureFixture) -> None:
    with receive([message(key=b"k" * 2**20)]):
        pass
    (span,) = finished()
    (link,) = span.links
    assert link.attributes is not None
    assert link.attributes["messaging.kafka.message.key"] == "k" * MAX_TEXT
    encoded([span], caplog)


def test_what_is_sent_and_settled_is_exported(finished: Finished, caplog: pytest.LogCaptureFixture) -> None:
    with send(f"orders{HALF}", attributes=dict(HOSTILE)):
        pass
    start_send("orders", None, lambda: {"messaging.operation.name": "send"}).end(None, dict(HOSTILE))
    with process(message()), settle("ack", [1], {"messaging.destination.name": "q" * 2**20, **HOSTILE}):
        pass
    spans = finished()
    assert [span.name for span in spans] == ["send orders?", "send", "ack " + "q" * MAX_TEXT, "process orders"]
    for span in spans[:3]:
        assert {name: value for name, value in attributes(span).items() if name in HOSTILE} == EXPORTED
    encoded(spans, caplog)


def test_the_text_of_an_error_is_exported(finished: Finished, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="no"), process(message()):
        raise ValueError(f"no {HALF}" + "x" * 5000)
    (span,) = finished()
    assert span.status.description == "ValueError: no ?" + "x" * (MAX_TEXT - 16)
    (event,) = span.events
    assert event.attributes is not None
    assert event.attributes["exception.message"] == "no ?" + "x" * 5000
    assert "no ?xxx" in str(event.attributes["exception.stacktrace"])
    encoded([span], caplog)


def test_a_usual_error_is_recorded_as_the_sdk_does(finished: Finished) -> None:
    with pytest.raises(ValueError, match="no"), process(message()):
        raise ValueError("no é")
    (event,) = finished()[0].events
    assert event.attributes is not None
    assert event.attributes["exception.message"] == "no é"
    assert "test_exportable" in str(event.attributes["exception.stacktrace"])


def test_normal_attributes_stay_the_same_object() -> None:
    from unbroken.messaging.semconv import exportable

    normal = {"messaging.system": "kafka", "messaging.kafka.offset": 7, "redelivered": True}
    assert exportable(normal) is normal
