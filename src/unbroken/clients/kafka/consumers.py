"""The consumer side of the drop-in classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unbroken.clients.kafka.attributes import HasClientAttributes
from unbroken.messaging.policy import Correlation
from unbroken.messaging.process import process
from unbroken.messaging.receive import receive
from unbroken.messaging.semconv import Attributes


class TracedConsumerMixin(HasClientAttributes):
    """The consumer side of a drop-in class."""

    def process(
        self, message: object, *, correlation: Correlation | None = None, attributes: Attributes | None = None
    ) -> process:
        """Return `process(message, consumer)`."""
        return process(message, self, correlation=correlation, attributes=attributes)

    def receive(self, messages: Sequence[object] | Mapping[Any, Sequence[object]]) -> receive:
        """Return `receive(messages, consumer)`."""
        return receive(messages, self)
