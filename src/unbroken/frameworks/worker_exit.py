"""The end of a worker process: what the SDK still holds back is exported before.

The worker processes of frameworks end by `os._exit`, past `atexit`: nobody shuts the providers of the SDK down there.
"""

from __future__ import annotations

import time
from threading import Thread
from typing import Any

from opentelemetry import metrics, trace

from unbroken.messaging import metrics as measuring
from unbroken.messaging import tracing
from unbroken.messaging.tracing import log_internal_error

PATIENCE = 5.0
"""Seconds that a worker process waits for the export."""


def flush(seconds: float = PATIENCE) -> None:
    """Export the spans and the metrics of this process, in at most so many seconds. Never raises."""
    until = time.monotonic() + seconds
    try:
        # In threads: the SDK itself waits for its exporter as long as that takes.
        providers = (
            trace.get_tracer_provider(),
            metrics.get_meter_provider(),
            *tracing.given_providers,
            *measuring.given_providers,
        )
        threads = [Thread(target=_flush, args=(one, seconds), daemon=True) for one in providers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
    except Exception as failure:
        log_internal_error("the export at the end of a worker", failure)


def _flush(provider: Any, seconds: float) -> None:
    force_flush = getattr(provider, "force_flush", None)  # the API's own providers hold nothing back
    if force_flush is None:
        return
    try:
        force_flush(int(seconds * 1000))
    except Exception as failure:
        log_internal_error("the export at the end of a worker", failure)
