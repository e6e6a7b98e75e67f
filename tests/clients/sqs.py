"""What the tests of both clients of SQS look at: the requests on the wire, and spans."""

import base64
import json
from typing import Any

from botocore.validate import ParamValidator
from opentelemetry.sdk.trace import ReadableSpan

from tests.contract.conftest import Spans


def attribute(value: str) -> dict[str, Any]:
    """An attribute of a message, as the API takes it."""
    return {"DataType": "String", "StringValue": value}


def entry(name: str, **params: Any) -> dict[str, Any]:
    """An entry of a batch."""
    return {"Id": name, "MessageBody": name, **params}


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """The attributes of a span."""
    return dict(span.attributes or {})


def settle_spans(spans: Spans) -> list[ReadableSpan]:
    """The spans of deletions and changes of visibility."""
    return [span for span in spans.ended if attributes(span).get("messaging.operation.type") == "settle"]


class Requests:
    """What a client puts on the wire: each request as the service reads it, by the model of botocore."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.bodies: list[dict[str, Any]] = []
        client.meta.events.register("before-send.sqs", self.read)

    def read(self, request: Any, **_: Any) -> None:
        operation = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        body = json.loads(request.body)
        shape = self.client.meta.service_model.operation_model(operation).input_shape
        for message in (body, *body.get("Entries", ())):
            for found in message.get("MessageAttributes", {}).values():
                if "BinaryValue" in found:
                    found["BinaryValue"] = base64.b64decode(found["BinaryValue"], validate=True)
        problems = ParamValidator().validate(body, shape)
        assert not problems.has_errors(), problems.generate_report()
        assert set(body) <= set(shape.members)
        self.bodies.append(body)

    @property
    def one(self) -> dict[str, Any]:
        (body,) = self.bodies
        return body
