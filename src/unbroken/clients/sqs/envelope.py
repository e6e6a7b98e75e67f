"""The envelope that SNS puts around a message, read without reading all that a body may hold.

    {"Type": "Notification", "Message": "...", "MessageAttributes": {"name": {"Type": "String", "Value": "..."}}, ...}

https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html

A whole JSON parser would make an object of each of the hundred thousand that fit into a mebibyte. SNS writes texts, and
objects of texts two levels deep; what holds anything else, or very many members, was not written by it.
"""

from __future__ import annotations

import re
from json import JSONDecoder
from typing import Any

MAX_MEMBERS = 1024
"""Members that are read, of all objects together: a hundred for each of the ten attributes that SQS would take."""

_DECODER = JSONDecoder()
_DEPTH = 3
_SPACE = r"[ \t\n\r]{0,64}"
_OPEN = re.compile(_SPACE + r"\{" + _SPACE)
_COLON = re.compile(_SPACE + ":" + _SPACE)
_NEXT = re.compile(_SPACE + "," + _SPACE)
_CLOSE = re.compile(_SPACE + r"\}" + _SPACE)
_SCALAR = re.compile("null|true|false|-?[0-9]{1,20}")


def read_envelope(body: str) -> dict[str, Any]:
    """Return the members of a JSON object that has the shape of an envelope, nothing of any other text.

    >>> read_envelope('{"Type": "Notification", "MessageAttributes": {"a": {"Type": "String", "Value": "1"}}}')
    {'Type': 'Notification', 'MessageAttributes': {'a': {'Type': 'String', 'Value': '1'}}}
    """
    reader = _Reader(body)
    try:
        found = reader.object(_DEPTH)
    except ValueError:
        return {}
    return found if reader.is_at_end() else {}


class _Reader:
    """Reads a text from its beginning; raises ValueError where it is no envelope."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._left = MAX_MEMBERS

    def is_at_end(self) -> bool:
        """Return whether nothing is left."""
        return self._at == len(self._text)

    def object(self, depth: int) -> dict[str, Any]:
        """Return the object that comes next, of at most so many levels."""
        found: dict[str, Any] = {}
        self._expect(_OPEN)
        if self._passed(_CLOSE):
            return found
        while True:
            name = self._string()
            self._expect(_COLON)
            found[name] = self._value(depth)
            if not self._passed(_NEXT):
                self._expect(_CLOSE)
                return found

    def _value(self, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth == 0:
            raise ValueError("more than an envelope holds")
        if self._text.startswith('"', self._at):
            return self._string()
        return None if self._passed(_SCALAR) else self.object(depth - 1)

    def _string(self) -> str:
        if not self._text.startswith('"', self._at):
            raise ValueError("no envelope")
        found: tuple[str, int] = _DECODER.raw_decode(self._text, self._at)
        text, self._at = found
        return text

    def _expect(self, pattern: re.Pattern[str]) -> None:
        if not self._passed(pattern):
            raise ValueError("no envelope")

    def _passed(self, pattern: re.Pattern[str]) -> bool:
        """Return whether this comes next, and pass it."""
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return match is not None
