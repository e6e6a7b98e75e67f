"""The reference names what is public, and nothing else; the tables name what the source names."""

import ast
import re

import pytest

from tests.docs.pages import ROOT
from unbroken.clients.kafka.attributes import client_attributes
from unbroken.clients.kafka.attributes import process_attributes as record_attributes
from unbroken.clients.rabbitmq.attributes import process_attributes, server_attributes
from unbroken.clients.sqs.messages import MESSAGE
from unbroken.clients.sqs.queues import queue_attributes
from unbroken.messaging import semconv

SOURCE = ROOT / "src" / "unbroken"
API = (ROOT / "docs" / "api.md").read_text()
SEMANTICS = (ROOT / "docs" / "semantics.md").read_text()
METRICS = (ROOT / "docs" / "howto" / "metrics.md").read_text()


def listed(module: str) -> set[str]:
    """The names in `__all__` of a module, by its source: a client that is not installed must not matter."""
    path = SOURCE.parent / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return {f"{module}.{name}" for name in ast.literal_eval(node.value)}
    return set()


def classes(module: str) -> set[str]:
    """The public classes that a module defines."""
    tree = ast.parse((SOURCE.parent / module.replace(".", "/")).with_suffix(".py").read_text())
    return {f"{module}.{node.name}" for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"}


ALONE = {"quixstreams", "faust"}
"""Frameworks that cannot be installed beside the others, where the reference is built."""


def public() -> set[str]:
    # A client is a package, or still one module.
    modules = [f"unbroken.clients.{path.stem}" for path in (SOURCE / "clients").iterdir() if path.stem[0] != "_"]
    modules += [
        f"unbroken.frameworks.{file.stem}" for file in (SOURCE / "frameworks").glob("*.py") if file.stem not in ALONE
    ]
    clients = {name for module in modules for name in listed(module)}
    return listed("unbroken") | clients | classes("unbroken.testing")


def test_the_reference_has_every_public_name_and_no_other() -> None:
    shown = set(re.findall(r"^\.\. auto\w+:: (unbroken\.\S+)$", API, re.MULTILINE))
    assert shown == public()


def test_every_error_is_a_public_name() -> None:
    assert {name.replace(".errors.", ".") for name in classes("unbroken.errors")} <= listed("unbroken")


def test_the_fixtures_on_the_testing_page_are_those_of_the_plugin() -> None:
    tree = ast.parse((SOURCE / "testing.py").read_text())
    fixtures = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any("fixture" in ast.unparse(each) for each in node.decorator_list)
    }
    page = (ROOT / "docs" / "howto" / "testing.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == fixtures


def test_the_attributes_on_the_page_are_those_of_a_process_span() -> None:
    record = record_attributes("orders", 0, 1, "key", tombstone=True)
    client = client_attributes("id", "group", "host:9092")
    assert rows(SEMANTICS, "on the process span") == {**record, **client, semconv.ERROR_TYPE: ""}.keys()


def test_the_attributes_on_the_page_are_those_of_a_process_span_of_rabbitmq() -> None:
    headers = {"x-death": [{"count": 1, "queue": "orders", "reason": "expired"}], "x-delivery-count": 1}
    message = process_attributes("shop:orders:amq.gen-1", "orders", 1, True, headers, "1", "2")
    wanted = {**message, **server_attributes("host", 5672)}
    assert rows(SEMANTICS, "on the process span of RabbitMQ") == wanted.keys()


def test_the_attributes_on_the_page_are_those_of_a_process_span_of_sqs() -> None:
    message = {"MessageId": "1", "ReceiptHandle": "2", "Attributes": {"ApproximateReceiveCount": "1"}}
    queue = queue_attributes("https://sqs.eu-west-1.amazonaws.com/1/orders")
    wanted = {**MESSAGE.attributes(message), **queue}
    assert rows(SEMANTICS, "on the process span of SQS") == wanted.keys()


def test_the_attributes_that_are_said_to_be_absent_are_absent() -> None:
    said = re.findall(r"`([\w.]+)`", SEMANTICS.partition("Not set:")[2].partition("\n\n")[0])
    source = "".join(path.read_text() for path in SOURCE.rglob("*.py"))
    names = {key: value for key, value in vars(semconv).items() if key.isupper()}
    spelled = [word for name in said for word in (name, *(key for key, value in names.items() if value == name))]
    # Once is the constant itself.
    assert [word for word in spelled if len(re.findall(rf"\b{re.escape(word)}\b", source)) > 1] == []
    assert len(said) == 2


@pytest.mark.parametrize("page", [SEMANTICS, METRICS], ids=["semantics", "metrics"])
def test_the_metrics_on_the_page_are_those_of_the_source(page: str) -> None:
    wanted = {
        semconv.PROCESS_DURATION,
        semconv.OPERATION_DURATION,
        semconv.SENT_MESSAGES,
        semconv.CONSUMED_MESSAGES,
        semconv.QUEUE_DURATION,
        semconv.MALFORMED_CARRIERS,
        semconv.FULL_CARRIERS,
    }
    assert {name for name in wanted if f"`{name}`" in page} == wanted
    named = set(re.findall(r"`((?:messaging|unbroken)\.[\w.]*(?:duration|messages|malformed|full))`", page))
    assert named == wanted


def test_the_headers_of_forward_on_the_page_are_those_of_the_source() -> None:
    from unbroken.messaging import forward

    page = (ROOT / "docs" / "howto" / "retries.md").read_text()
    assert rows(page, "header") == {forward.ORIGIN, forward.SOURCE, forward.ATTEMPT, forward.ERROR}


def rows(page: str, heading: str) -> set[str]:
    """The names in the first column of the table whose first heading is given."""
    table = page.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `([\w.-]+)` \|", table, re.MULTILINE))
