"""The policy that environment variables ask for: in force until the application configures one.

| variable | values |
|---|---|
| `UNBROKEN_CORRELATION` | `parent` (default), `link` |
| `UNBROKEN_DUPLICATES` | `last` (default), `restart` |
| `UNBROKEN_SPANS` | `true` (default), `false`: propagate context, make no spans |
| `UNBROKEN_SETTLE` | `true` (default), `false`: no spans of acknowledgements |
| `UNBROKEN_MESSAGE_KEY` | `true` (default), `false`: no message keys on spans |
| `UNBROKEN_ONLY` | patterns of the destinations that are traced, separated by commas |
| `UNBROKEN_IGNORE` | patterns of the destinations that are left alone |
"""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, get_args

from unbroken.errors import InvalidVariable
from unbroken.messaging.policy import Correlation, Policy
from unbroken.propagation.w3c import Duplicates

PREFIX = "UNBROKEN_"

Settings = dict[str, Any]
"""Fields of a `Policy`."""

_logger = logging.getLogger("unbroken")


def settings(environ: Mapping[str, str]) -> tuple[Settings, list[InvalidVariable]]:
    """Return the fields of a `Policy` that the variables ask for, and what is wrong with the others.

    An empty variable is none. Of the names that are not ours only those close to one of ours are a mistake.
    """
    found: Settings = {}
    wrong: list[InvalidVariable] = []
    for name, value in environ.items():
        if not name.startswith(PREFIX) or not value.strip():
            continue
        try:
            if (reader := _READERS.get(name)) is not None:
                found[name.removeprefix(PREFIX).lower()] = reader(name, value.strip())
            else:
                _judge(name, value)
        except InvalidVariable as error:
            wrong.append(error)
    return found, wrong


def read_policy(environ: Mapping[str, str] = os.environ) -> Policy:
    """Return the policy that the variables ask for; what is wrong with one is an error in the log."""
    found, wrong = settings(environ)
    for error in wrong:
        _logger.error("%s", error)
    return Policy(**found)


def _choice(values: tuple[str, ...]) -> Callable[[str, str], str]:
    def read(name: str, value: str) -> str:
        if value not in values:
            raise InvalidVariable(name, value, f"it can be {' or '.join(values)}; the default is {values[0]}")
        return value

    return read


def _switch(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise InvalidVariable(name, value, "it can be true or false; the default is true")
    return value.lower() == "true"


def _patterns(name: str, value: str) -> tuple[str, ...]:
    patterns = tuple(pattern.strip() for pattern in value.split(",") if pattern.strip())
    if not patterns:
        raise InvalidVariable(name, value, "it takes patterns separated by commas, such as orders.*,payments")
    return patterns


_READERS: dict[str, Callable[[str, str], Any]] = {
    "UNBROKEN_CORRELATION": _choice(get_args(Correlation)),
    "UNBROKEN_DUPLICATES": _choice(get_args(Duplicates)),
    "UNBROKEN_SPANS": _switch,
    "UNBROKEN_SETTLE": _switch,
    "UNBROKEN_MESSAGE_KEY": _switch,
    "UNBROKEN_ONLY": _patterns,
    "UNBROKEN_IGNORE": _patterns,
}


def _judge(name: str, value: str) -> None:
    """Raise InvalidVariable for a name that looks like a slip of one of ours."""
    known = [one.removeprefix(PREFIX) for one in _READERS]
    if close := difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1, cutoff=0.75):
        raise InvalidVariable(name, value, f"there is no such variable; did you mean {PREFIX}{close[0]}?")
