"""Acknowledgements and rejections: the block in which a client settles one delivery, or all of a channel up to one."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from weakref import ref

from opentelemetry.context import Context

from unbroken.clients.rabbitmq.attributes import SYSTEM, put_destination
from unbroken.messaging import semconv
from unbroken.messaging.metrics import instruments
from unbroken.messaging.policy import active_policy
from unbroken.messaging.receipts import ChannelReceipt, destination_of, remembered_up_to
from unbroken.messaging.scope import open_scopes
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.settle import settle
from unbroken.messaging.tracing import log_internal_error, tracing
from unbroken.propagation.context import SPAN_KEY, current

NO_BLOCK: AbstractContextManager[Any] = nullcontext()
"""What settles nothing that is traced."""


def receipt_of(channel: Any, delivery_tag: Any) -> ChannelReceipt | None:
    """Return by what a delivery is settled; delivery tags begin again on each channel."""
    channel = _ref(channel)
    return ChannelReceipt(channel, delivery_tag) if channel and delivery_tag and _is_tag(delivery_tag) else None


def _ref(channel: Any) -> ref[Any] | None:
    try:
        return ref(channel)
    except TypeError:  # the double of a channel, in somebody's tests
        return None


def _is_tag(delivery_tag: object) -> bool:
    return isinstance(delivery_tag, int)


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
                if (known := _ref(channel)) and _is_tag(delivery_tag):
                    receipts += remembered_up_to(known, delivery_tag)
                    covered = [one for one in opened if _covers(known, delivery_tag, one)]
                    receipts += [one for one in covered if one not in receipts]
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


def _covers(channel: Hashable, delivery_tag: int, receipt: Hashable) -> bool:
    """Return whether the settlement of all deliveries up to a tag is one of this receipt."""
    if not isinstance(receipt, ChannelReceipt) or receipt.channel != channel:
        return False
    return not delivery_tag or receipt.tag <= delivery_tag
