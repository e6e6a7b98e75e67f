"""What is malformed in the headers of one message: one problem for each field, with a count.

Whoever writes headers can write very many that are malformed: only the first of them costs an exception object.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from unbroken.errors import InvalidHeader


class Problem(NamedTuple):
    """What is malformed in one field of a message: the first of it, and how much of it there is."""

    first: InvalidHeader
    number: int = 1

    @property
    def field(self) -> str:
        """The field that is malformed."""
        return self.first.field


class Problems:
    """Collects what is malformed in one field."""

    __slots__ = ("_count", "_field", "_first")

    def __init__(self, field: str) -> None:
        self._field = field
        self._first: InvalidHeader | None = None
        self._count = 0

    def add(self, value: object, reason: str) -> None:
        """Count one more."""
        if self._first is None:
            self._first = InvalidHeader(self._field, value, reason)
        self._count += 1

    def found(self) -> Problem | None:
        """Return all that was added, None where nothing was."""
        return None if self._first is None else Problem(self._first, self._count)


def together(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems of several carriers of one message as those of one."""
    merged: dict[str, Problem] = {}
    for problem in problems:
        known = merged.get(problem.field)
        merged[problem.field] = problem if known is None else Problem(known.first, known.number + problem.number)
    return tuple(merged.values())
