"""Acknowledgements and rejections: the block in which a client settles one delivery, or all of a channel up to one."""

from __future__ import annotations

import functools
from collections.abc import Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast
from weakref import ref

from opentelemetry.context import Context

from unbroken.clients.rabbitmq.attributes import SYSTEM, put_destination
from unbroken.messaging import semconv
from unbroken.messaging.metrics import instruments
from unbroken.messaging.policy import active_policy
from unbroken.messaging.receipts import destination_of, remembered
from unbroken.messaging.scope import open_scopes
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.settle import settle
from unbroken.messaging.tracing import log_internal_error, tracing
from unbroken.propagation.context import SPAN_KEY, current

Receipt = tuple[Hashable, int]
"""A channel, by a weak reference, and a delivery tag of it."""

NO_BLOCK: AbstractContextManager[Any] = nullcontext()
"""What settles nothing that is traced."""


def receipt_of(channel: Any, delivery_tag: Any) -> Receipt | None:
    """Return by what a delivery is settled; delivery tags begin again on each channel."""
    try:
        return (ref(channel), delivery_tag) if delivery_tag else None
    except TypeError:  # a stand-in for a channel, in somebody's tests
        return None


def settle_deliveries(
    operation: str, channel: Any, delivery_tag: Any, multiple: Any, server: Attributes
) -> AbstractContextManager[Any]:
    """Return the block in which one delivery is settled, or all up to it (`multiple`; tag 0: all). Never raises.

    It does nothing in the block of an unsampled message: 2 µs less.
    """
    attributes: Attributes = {semconv.SYSTEM: SYSTEM, **server}
    receipts: list[Hashable] = []
    try:
        if active_policy().settle:
            ambient = current()
            opened = {scope.receipt: scope for scope in open_scopes(ambient)}
            one = receipt_of(channel, delivery_tag)
            if multiple:
                receipts += remembered(functools.partial(_covers, channel, delivery_tag))
                receipts += [receipt for receipt in opened if _covers(channel, delivery_tag, receipt)]
            elif one is not None:
                if one in opened and _is_unseen(ambient):
                    return NO_BLOCK
                receipts.append(one)
                attributes[semconv.RABBITMQ_DELIVERY_TAG] = delivery_tag
            destinations = {opened[one].destination if one in opened else destination_of(one) for one in receipts}
            if len(destinations) == 1 and (destination := destinations.pop()):
                put_destination(attributes, destination)
    except Exception as failure:
        log_internal_error("settle", failure)
    return settle(operation, receipts, attributes)


def _is_unseen(ambient: Context) -> bool:
    """Return whether neither a span nor a metric would tell of what is done here."""
    span: Any = ambient.get(SPAN_KEY)
    return (
        span is not None
        and not span.is_recording()
        and (span_context := span.get_span_context()).is_valid
        and tracing().drops(span_context)
        and instruments() is None
    )


def _covers(channel: Any, delivery_tag: int, receipt: Any) -> bool:
    """Return whether the settlement of all deliveries up to a tag is one of this receipt."""
    if not isinstance(receipt, tuple):
        return False
    of, tag = cast("tuple[Any, Any]", receipt)
    return isinstance(of, ref) and of() is channel and (not delivery_tag or tag <= delivery_tag)
