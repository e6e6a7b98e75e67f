"""The lines in which a service differs between the sides, read from the files that run."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Line:
    """A line that was removed, `-`, or added, `+`."""

    sign: Literal["-", "+"]
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """How one file was changed."""

    file: str
    lines: tuple[Line, ...]

    @property
    def count(self) -> int:
        """How many lines of the file are new or other than before."""
        return sum(line.sign == "+" for line in self.lines)


def change(client: str, service: str) -> Change:
    """Return the change of a service of a client; each group of lines begins at the left."""
    before, after = (
        (_FOLDER / client / side / f"{service}.py").read_text("utf-8").splitlines() for side in ("before", "after")
    )
    return Change(f"{service}.py", tuple(_lines(before, after)))


def _lines(before: list[str], after: list[str]) -> Iterator[Line]:
    for tag, old, old_end, new, new_end in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            removed, added = before[old:old_end], after[new:new_end]
            margin = min(len(line) - len(line.lstrip()) for line in removed + added if line)
            yield from (Line("-", line[margin:]) for line in removed if line)
            yield from (Line("+", line[margin:]) for line in added if line)
