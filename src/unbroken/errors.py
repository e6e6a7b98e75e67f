"""Every exception of unbroken.

    UnbrokenError
    ├── InvalidHeader      (ValueError)   a propagation header breaks its grammar
    ├── UnknownMessage     (TypeError)    not a message of a client that unbroken knows
    ├── UnknownCarrier     (TypeError)    not headers in a shape that unbroken knows
    ├── WrongArgument      (TypeError)    an argument of another kind than the function takes
    ├── OpenTwice          (RuntimeError) one block object entered while it is open
    ├── InvalidVariable    (ValueError)   an environment variable with a wrong name or value
    └── MissingClient      (ModuleNotFoundError)   a client library that is not installed

None of them is raised because of what a message holds: `extract`, `process` and `forward` survive every header. Each
says what was given, and what to write instead.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from unbroken import mistakes


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
    """An object that is not a message of a known client; `unbroken.register` makes a type known."""

    def __init__(self, message: object) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return mistakes.about_message(self.message)


class UnknownCarrier(UnbrokenError, TypeError):
    """Headers in a shape that unbroken does not know."""

    def __init__(self, headers: object) -> None:
        super().__init__(headers)
        self.headers = headers

    def __str__(self) -> str:
        return mistakes.about_headers(self.headers)


class WrongArgument(UnbrokenError, TypeError):
    """An argument of another kind than the function takes: what it takes, what was given, what to write instead."""

    def __init__(self, call: str, wanted: str, given: object, instead: str) -> None:
        super().__init__(call, wanted, given, instead)
        self.call = call
        self.wanted = wanted
        self.given = given
        self.instead = instead

    def __str__(self) -> str:
        return f"{self.call} takes {self.wanted}, not {mistakes.describe(self.given)}: {self.instead}"


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


class MissingClient(UnbrokenError, ModuleNotFoundError):
    """A module of a client library or framework that is not installed: its name, and the extra that brings it."""

    def __init__(self, name: str, extra: str) -> None:
        super().__init__(name, extra)
        self.name = name
        self.extra = extra

    def __str__(self) -> str:
        return f'No module named {self.name!r}: pip install "unbroken[{self.extra}]"'


@contextmanager
def required(extra: str, *packages: str) -> Generator[None, None, None]:
    """Run a block that imports a client library.

        with required("boto3", "botocore"):
            from botocore.client import ClientCreator

    Args:
        extra: of unbroken, which brings the library.
        packages: what the extra brings, by their import names (default: the extra's own name).

    Raises:
        MissingClient: one of the packages is missing. Any other ModuleNotFoundError passes as it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if isinstance(error, MissingClient) or missing.partition(".")[0] not in (packages or (extra,)):
            raise
        raise MissingClient(missing, extra) from error
