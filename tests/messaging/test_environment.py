"""The environment variables: what they mean, and what a wrong one says."""

import os
import subprocess
import sys

import pytest

from unbroken import Policy
from unbroken.errors import InvalidVariable
from unbroken.messaging.environment import read_policy, settings


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


def test_what_is_wrong_is_an_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert read_policy({"UNBROKEN_SPANS": "maybe", "UNBROKEN_SETTLE": "false"}) == Policy(settle=False)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


PROGRAM = """
import logging, sys
logging.basicConfig(format="%(levelname)s")
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from tests.messaging.telemetry import message
from unbroken import Policy, configure, process
trace.set_tracer_provider(TracerProvider())
if len(sys.argv) > 1:
    configure(Policy(correlation="link"))
for _ in range(2):
    with process(message()) as span:
        print(span.is_recording(), span.get_span_context().trace_id == 0x0AF7651916CD43DD8448EB211C80319C)
"""


def run(*args: str, **variables: str) -> tuple[list[str], str]:
    """Process two messages by hand, and return what the program printed, and what was logged."""
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, *args],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.splitlines(), answer.stderr


def test_the_variables_hold_for_code_that_uses_process_directly() -> None:
    assert run() == (["True True"] * 2, "")
    assert run(UNBROKEN_SPANS="false") == (["False True"] * 2, "")
    assert run(UNBROKEN_CORRELATION="link") == (["True False"] * 2, "")


def test_a_wrong_variable_is_one_error_for_the_process() -> None:
    assert run(UNBROKEN_SPANS="maybe") == (["True True"] * 2, "ERROR\n")


def test_the_variables_do_not_overwrite_what_was_configured() -> None:
    assert run("configured", UNBROKEN_SPANS="false") == (["True False"] * 2, "")
