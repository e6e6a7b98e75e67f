"""aio-pika: what zero-code instrumentation replaces; the drop-ins are made by the same functions."""

from __future__ import annotations

import aio_pika
from aio_pika.message import ProcessContext
from aio_pika.queue import QueueIterator

from unbroken.clients.aio_pika.incoming import SETTLES, wrap_enter, wrap_exit
from unbroken.clients.aio_pika.methods import (
    POLLING,
    wrap_close,
    wrap_consume,
    wrap_get,
    wrap_publish,
    wrap_step,
)
from unbroken.clients.patches import Patch, ZeroCode

_PATCHES: tuple[Patch, ...] = (
    Patch(aio_pika.Exchange, "publish", wrap_publish),
    Patch(aio_pika.Queue, "consume", wrap_consume),
    Patch(aio_pika.Queue, "get", wrap_get),
    *(Patch(aio_pika.IncomingMessage, name, wrap) for name, wrap in SETTLES.items()),
    Patch(ProcessContext, "__aenter__", wrap_enter),
    Patch(ProcessContext, "__aexit__", wrap_exit),
)
_ITERATORS = tuple(
    kind
    for kind in (QueueIterator, getattr(aio_pika.robust_queue, "RobustQueueIterator", None))
    if kind is not None and "__anext__" in vars(kind)
)
_POLLS: tuple[Patch, ...] = (
    *(Patch(kind, "__anext__", wrap_step) for kind in _ITERATORS),
    Patch(QueueIterator, "close", wrap_close),
)
"""Without a block and without a handler: only for code that cannot be changed."""

ZERO_CODE = ZeroCode(lambda: (*_PATCHES, *_POLLS), POLLING)
"""All classes of the client, and what iterators and `queue.get` give is current until the next."""
