"""pika: what zero-code instrumentation replaces."""

# The client's annotations differ between its versions, and the oldest have none.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from pika.adapters.blocking_connection import BlockingChannel

from unbroken.clients.patches import Patch, ZeroCode
from unbroken.clients.pika.dropins import PATCHES
from unbroken.clients.pika.methods import POLLING, wrap_polled_get

_POLLS = (Patch(BlockingChannel, "basic_get", wrap_polled_get),)
"""Without a block and without a handler: only for code that cannot be changed."""

ZERO_CODE = ZeroCode(lambda: (*PATCHES, *_POLLS), POLLING)
"""All classes of channels, and what their `basic_get` gives is current until the next."""
