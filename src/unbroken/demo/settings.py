"""What the services read from their environment, and the topics between them."""

from __future__ import annotations

import os

BOOTSTRAP = os.environ.get("UNBROKEN_DEMO_BOOTSTRAP", "localhost:9092")
MESSAGES = int(os.environ.get("UNBROKEN_DEMO_MESSAGES", "0"))
"""How many messages a service handles before it ends."""
SECONDS = 30
"""After this long a service gives up; it takes one or two."""
SPANS = os.environ.get("UNBROKEN_DEMO_SPANS", os.devnull)
"""The file that the service appends its spans to."""
OTLP = os.environ.get("UNBROKEN_DEMO_OTLP", "")
"""The URL that spans are exported to as well, empty for none."""
SIDE = os.environ.get("UNBROKEN_DEMO_SIDE", "")
"""`before` or `after`."""
API_VERSION = (2, 0) if os.environ.get("UNBROKEN_DEMO_EMBEDDED") else None
"""For kafka-python: the embedded broker does not tell its version in a way that this client understands."""

NAMES = ("orders", "orders.retry", "orders.dlq", "refunds")
"""The topics, as the pages show them."""
PREFIX = os.environ.get("UNBROKEN_DEMO_PREFIX", "")
"""In front of each topic on a Kafka that belongs to somebody else."""
ORDERS, RETRY, DEAD_LETTERS, REFUNDS = (PREFIX + name for name in NAMES)
PARTITIONS = range(4)
MAX_WAIT_MS = 10
"""How long a fetch waits for records: the embedded broker answers no earlier, even when there are some."""
