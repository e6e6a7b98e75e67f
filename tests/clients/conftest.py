"""The spans of a test and a topic of its own, as in the contract; a reader of its metrics."""

from tests.contract.conftest import spans, topic
from tests.messaging.conftest import reader

__all__ = ["reader", "spans", "topic"]
