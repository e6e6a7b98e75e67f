"""What is traced and how: one frozen value for the whole process."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, get_args

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

    Raises:
        ValueError: a value that is none of those above.
    """

    correlation: Correlation = "parent"
    duplicates: Duplicates = "last"
    spans: bool = True
    settle: bool = True
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    message_key: bool = True
    selective: bool = field(init=False, repr=False, default=False)
    """Whether some destinations are left out."""

    def __post_init__(self) -> None:
        known_correlation(self.correlation)
        known_duplicates(self.duplicates)
        for name in ("only", "ignore"):
            patterns = getattr(self, name)
            if isinstance(patterns, str) or not all(isinstance(pattern, str) for pattern in patterns):
                raise ValueError(f"{name} must be a tuple of patterns, not {patterns!r}")
            object.__setattr__(self, name, tuple(patterns))
        object.__setattr__(self, "selective", bool(self.only or self.ignore))

    def covers(self, destination: str) -> bool:
        """Return whether messages of this destination are traced."""
        return _covers(self.only, self.ignore, destination)


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
        TypeError: not a `Policy`.
    """
    if not isinstance(policy, Policy):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"configure() takes a Policy, not {type(policy).__qualname__}")
    before, _Active.policy = active_policy(), policy
    return before
