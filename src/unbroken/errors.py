"""Every exception of unbroken.

    UnbrokenError
    ├── InvalidHeader      (ValueError)   a propagation header breaks its grammar
    ├── UnknownMessage     (TypeError)    not a message of a client that unbroken knows
    ├── UnknownCarrier     (TypeError)    not headers in a shape that unbroken knows
    ├── OpenTwice          (RuntimeError) one block object entered while it is open
    └── InvalidVariable    (ValueError)   an environment variable with a wrong name or value

None of them is raised because of what a message holds: `extract`, `process` and `forward` survive every header.
"""

from __future__ import annotations


class UnbrokenError(Exception):
    """The base of all exceptions of unbroken."""


class InvalidHeader(UnbrokenError, ValueError):
    """A propagation header that breaks its grammar: which one, its value as received, and why."""

    def __init__(self, field: str, value: object, reason: str) -> None:
        super().__init__(field, value, reason)
        self.field = field
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        shown = repr(self.value)
        if len(shown) > 120:
            shown = shown[:117] + "..."
        return f"{self.field} {shown}: {self.reason}"


class UnknownMessage(UnbrokenError, TypeError):
    """An object that is not a message of a known client; `unbroken.messaging.message.register` makes a type known."""

    def __init__(self, message: object) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        if self.message is None:
            return "None is not a message: poll() returned nothing, test for it before processing"
        if isinstance(self.message, (list, tuple, dict)):
            return "these are several messages, or none: put process() around each, receive() around all"
        kind = type(self.message)
        return f"{kind.__module__}.{kind.__qualname__} is not a message of a client that unbroken knows"


class UnknownCarrier(UnbrokenError, TypeError):
    """Headers in a shape that unbroken does not know."""

    def __init__(self, headers: object) -> None:
        super().__init__(headers)
        self.headers = headers

    def __str__(self) -> str:
        return f"headers must be a list or tuple of pairs, a mapping or None, not {type(self.headers).__qualname__}"


class OpenTwice(UnbrokenError, RuntimeError):
    """A block object (`process`, `receive`, `send`, `attached`) entered while it is open: each block needs its own."""

    def __init__(self, block: object) -> None:
        super().__init__(block)
        self.block = block

    def __str__(self) -> str:
        return f"this {type(self.block).__name__} block is open already: each block needs an object of its own"


class InvalidVariable(UnbrokenError, ValueError):
    """An environment variable of ours that is misspelt or has a wrong value: its name, its value, and what is right."""

    def __init__(self, name: str, value: str, reason: str) -> None:
        super().__init__(name, value, reason)
        self.name = name
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name}={self.value!r}: {self.reason}"
