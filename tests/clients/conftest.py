"""The spans of a test and a topic of its own, as in the contract."""

from tests.contract.conftest import spans, topic

__all__ = ["spans", "topic"]
