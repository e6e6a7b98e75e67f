"""A context that comes beside the attributes of a message: in the envelope of SNS, and that of X-Ray."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from opentelemetry.trace import SpanContext, TraceFlags

from unbroken.clients.sqs.envelope import read_envelope
from unbroken.errors import InvalidHeader
from unbroken.messaging.policy import active_policy
from unbroken.propagation import context, propagators, xray
from unbroken.propagation.carriers import ATTRIBUTES
from unbroken.propagation.context import NO_STATE, Origin
from unbroken.propagation.problems import Problem

MAX_ENVELOPE = 1 << 20
"""Characters of a body that is looked at for an SNS envelope: the largest message of SQS."""


def mapping_of(found: Any) -> Mapping[str, Any]:
    """Return what stands where a mapping should; what is none holds nothing."""
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}


def sns_attributes(body: object) -> Mapping[str, Any] | None:
    """Return the message attributes in the envelope that SNS puts around a message; None for any other body.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
    """
    if not isinstance(body, str) or len(body) > MAX_ENVELOPE or '"MessageAttributes"' not in body:
        return None
    envelope = read_envelope(body) if '"Notification"' in body else {}
    if envelope.get("Type") != "Notification":
        return None
    return mapping_of(envelope.get("MessageAttributes"))


def sidecar_origin(header: object, envelope: Mapping[str, Any] | None) -> Origin | None:
    """Return what came beside the attributes: the context in an SNS envelope, then that of X-Ray."""
    used = propagators.in_use()
    if not (used.trace or used.baggage or used.foreign):
        return None
    found = (
        context.extract_origin(ATTRIBUTES.pairs(envelope), active_policy().duplicates)
        if envelope
        else Origin(None, None)
    )
    if header is None or not (used.trace or used.foreign):
        return found
    try:
        parent = xray.parse_trace_header(header)
    except InvalidHeader as problem:
        return found._replace(problems=(*found.problems, Problem(problem)))
    if parent is None:
        return found
    segment = SpanContext(parent.trace_id, parent.parent_id, True, TraceFlags(parent.flags), NO_STATE)
    if found.span_context is None:
        return found._replace(span_context=segment)
    return found._replace(others=(*found.others, segment))
