"""The environment variables: what they mean, and what a wrong one says."""

import logging
from collections.abc import Iterator

import pytest

from unbroken import Policy, configure
from unbroken.errors import InvalidVariable
from unbroken.instrumentation import environment
from unbroken.instrumentation.environment import settings
from unbroken.messaging.policy import active_policy


@pytest.mark.parametrize(
    ("name", "value", "field", "read"),
    [
        ("UNBROKEN_CORRELATION", "link", "correlation", "link"),
        ("UNBROKEN_DUPLICATES", "restart", "duplicates", "restart"),
        ("UNBROKEN_SPANS", "false", "spans", False),
        ("UNBROKEN_SPANS", "True", "spans", True),
        ("UNBROKEN_SETTLE", "FALSE", "settle", False),
        ("UNBROKEN_MESSAGE_KEY", "false", "message_key", False),
        ("UNBROKEN_ONLY", "orders.*", "only", ("orders.*",)),
        ("UNBROKEN_IGNORE", " logs , *.audit,", "ignore", ("logs", "*.audit")),
    ],
)
def test_a_variable_is_a_field_of_the_policy(name: str, value: str, field: str, read: object) -> None:
    assert settings({name: value}) == ({field: read}, [])


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("UNBROKEN_CORRELATION", "parents", "it can be parent or link; the default is parent"),
        ("UNBROKEN_DUPLICATES", "first", "it can be last or restart; the default is last"),
        ("UNBROKEN_SPANS", "no", "it can be true or false; the default is true"),
        ("UNBROKEN_IGNORE", ",", "it takes patterns separated by commas, such as orders.*,payments"),
        ("UNBROKEN_CORELATION", "link", "there is no such variable; did you mean UNBROKEN_CORRELATION?"),
        ("UNBROKEN_SPAN", "false", "there is no such variable; did you mean UNBROKEN_SPANS?"),
    ],
)
def test_a_wrong_variable_says_what_is_right(name: str, value: str, reason: str) -> None:
    found, (error,) = settings({name: value})
    assert found == {}
    assert isinstance(error, InvalidVariable)
    assert (error.name, error.value, error.reason) == (name, value, reason)
    assert str(error) == f"{name}={value!r}: {reason}"


def test_a_wrong_variable_does_not_hide_the_others() -> None:
    found, wrong = settings({"UNBROKEN_SPANS": "maybe", "UNBROKEN_SETTLE": "false"})
    assert (found, len(wrong)) == ({"settle": False}, 1)


@pytest.mark.parametrize("name", ["UNBROKEN_KAFKA", "UNBROKEN_AMQP", "UNBROKEN_SQS", "UNBROKEN_LEFT_OUT", "OTEL_SPANS"])
def test_the_names_of_others_are_not_judged(name: str) -> None:
    assert settings({name: "anything"}) == ({}, [])


def test_an_empty_variable_is_none() -> None:
    assert settings({"UNBROKEN_SPANS": " "}) == ({}, [])


@pytest.fixture
def not_applied(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The variables have not been read yet."""
    monkeypatch.setattr(environment._Applied, "done", False)
    before = configure(Policy())
    yield
    configure(before)


@pytest.mark.usefixtures("not_applied")
def test_what_is_wrong_is_one_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        environment.apply({"UNBROKEN_SPANS": "maybe"})
        environment.apply({"UNBROKEN_SPANS": "maybe"})
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert active_policy() == Policy()


@pytest.mark.usefixtures("not_applied")
def test_the_variables_leave_what_the_application_configured_as_it_is() -> None:
    configure(Policy(correlation="link"))
    environment.apply({"UNBROKEN_SPANS": "false"})
    assert active_policy() == Policy(correlation="link", spans=False)
