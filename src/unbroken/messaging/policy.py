"""What is traced and how: one frozen value for the whole process."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, cast, get_args

from unbroken.errors import WrongArgument
from unbroken.propagation.w3c import Duplicates, known_duplicates

Correlation = Literal["parent", "link"]


def known_correlation(value: str) -> None:
    """Raise ValueError unless the value is a `Correlation`."""
    if value not in get_args(Correlation):
        raise ValueError(f"correlation must be one of {', '.join(get_args(Correlation))}, not {value!r}")


@dataclass(frozen=True, slots=True)
class Policy:
    """How messages are traced; `configure` puts one in force.

    Attributes:
        correlation: the creation context is `parent` and link of the process span, or only a `link`.
        duplicates: what several different `traceparent` values mean, the `last` counts or a `restart`.
        spans: False propagates context and makes no spans.
        settle: make spans of acknowledgements, rejections and deletions (RabbitMQ, SQS).
        only: glob patterns of the destinations that are traced; none means all.
        ignore: glob patterns of the destinations that are left alone: no span, no context.
        message_key: put the message's key on the process span.

    `replace` of `dataclasses` makes another with a few fields changed.

    Raises:
        ValueError: a field with a value that is none of those above, such as a text where a tuple of patterns belongs.
    """

    correlation: Correlation = "parent"
    duplicates: Duplicates = "last"
    spans: bool = True
    settle: bool = True
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    message_key: bool = True

    def __post_init__(self) -> None:
        known_correlation(self.correlation)
        known_duplicates(self.duplicates)
        for name in ("spans", "settle", "message_key"):
            _check_flag(name, getattr(self, name))
        for name in ("only", "ignore"):
            object.__setattr__(self, name, _patterns(name, getattr(self, name)))

    def covers(self, destination: str) -> bool:
        """Return whether messages of this destination are traced."""
        return _covers(self.only, self.ignore, destination)


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, not {value!r}")


def _patterns(name: str, value: object) -> tuple[str, ...]:
    """Return the patterns as a tuple; a list of text is taken, too."""
    if isinstance(value, (tuple, list)):
        patterns = tuple(cast("list[object]", value))
        if all(isinstance(pattern, str) and pattern for pattern in patterns):
            return cast("tuple[str, ...]", patterns)
    raise ValueError(f'{name} must be a tuple of patterns, such as ("orders.*", "payments"), not {value!r}')


@functools.lru_cache(maxsize=1024)
def _covers(only: tuple[str, ...], ignore: tuple[str, ...], destination: str) -> bool:
    if only and not any(fnmatchcase(destination, pattern) for pattern in only):
        return False
    return not any(fnmatchcase(destination, pattern) for pattern in ignore)


class _Active:
    policy: Policy | None = None
    """None until the first message: then it is what the environment asks for, unless one was configured."""


def active_policy() -> Policy:
    """Return the policy in force: the one that was configured, else the one of the environment (`UNBROKEN_*`)."""
    policy = _Active.policy
    return policy if policy is not None else _read_environment()


def _read_environment() -> Policy:
    from unbroken.messaging.environment import read_policy  # it makes a Policy of what it reads

    _Active.policy = policy = read_policy()
    return policy


def configure(policy: Policy) -> Policy:
    """Put a policy in force for the process, in place of what the environment asks for; return the one before.

    Raises:
        WrongArgument: not a `Policy`.
    """
    if not isinstance(policy, Policy):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise WrongArgument("configure()", "a Policy", policy, "write configure(Policy(...))")
    before, _Active.policy = active_policy(), policy
    return before
