"""The pages of the documentation and the code on them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(
    r"^(?:```(?P<language>[\w-]+)(?P<options>[^\n]*)\n(?P<text>.*?)^```$|<!-- setup\n(?P<setup>.*?)^-->$)",
    re.MULTILINE | re.DOTALL,
)
_SERVER = re.compile(r"^<!-- server (?P<name>\w+) -->$", re.MULTILINE)
_NEEDS = re.compile(r"^<!-- needs (?P<module>[\w.]+) -->$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: `python`, or the `output` of the one before; `setup` is Python that the reader does not see."""

    language: str
    text: str
    line: int


def name(page: Path) -> str:
    """Return a page as it is called in the tree."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks and the hidden setups of a page, in order."""
    source = page.read_text()
    for match in _FENCE.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        if match["setup"] is not None:
            yield Block("setup", match["setup"], line)
        else:
            yield Block(match["language"], match["text"], line)


def needed(page: Path) -> list[str]:
    """Return the modules without which the code of a page cannot run (older clients lack some)."""
    return [match["module"] for match in _NEEDS.finditer(page.read_text())]


def server(page: Path) -> str:
    """Return the server that the code of a page talks to (`kafka`, `rabbitmq`, `elasticmq`); empty: embedded Kafka."""
    match = _SERVER.search(page.read_text())
    return match["name"] if match else ""


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCE.sub("", page.read_text())
