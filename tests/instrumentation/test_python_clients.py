"""aiokafka and kafka-python under `opentelemetry-instrument`."""

import sys

import pytest

from tests.instrumentation.conftest import needs
from tests.instrumentation.running import Run, run


def traced(run: Run, topic: str, handled: str) -> bool:
    """Whether a handler's span is below the process span, and that below the send span."""
    return run.path(f"handle {handled}") == [f"handle {handled}", f"process {topic}", f"send {topic}"]


@pytest.fixture(scope="session")
def aio(embedded: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The application of aiokafka."""
    return run("aiokafka_loop", embedded, "zero-code-aiokafka", folder=tmp_path_factory.mktemp("aiokafka"))


@needs("aiokafka")
@pytest.mark.parametrize("name", ["getone", "async for", "one of getmany"])
def test_the_record_is_current_in_the_coroutine(aio: Run, name: str) -> None:
    assert traced(aio, "zero-code-aiokafka", name)


@needs("aiokafka")
@pytest.mark.skipif(sys.version_info < (3, 12), reason="wait_for runs what it waits for in a task of its own")
def test_the_record_is_current_after_wait_for(aio: Run) -> None:
    assert traced(aio, "zero-code-aiokafka", "wait_for")


@needs("aiokafka")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="wait_for runs what it waits for in the same task")
def test_a_record_of_wait_for_is_a_span_that_is_not_current(aio: Run) -> None:
    assert aio.one("handle wait_for").parent == ""
    assert len(aio.of("CONSUMER")) == 4


@needs("aiokafka")
def test_a_batch_of_aiokafka_is_a_span_with_links(aio: Run) -> None:
    links = [link for span in aio.by_name["poll zero-code-aiokafka"] for link in span.links]
    assert links == [span.id for span in aio.of("PRODUCER")][3 : 3 + len(links)]
    assert all(span.parent == "" for span in aio.by_name["handle the batch"])


@needs("aiokafka")
def test_after_stop_no_record_is_current(aio: Run) -> None:
    assert aio.parent("after") is None


@needs("aiokafka")
def test_what_the_clients_know_is_on_their_spans(aio: Run) -> None:
    assert {span.attributes["messaging.client.id"] for span in aio.of("PRODUCER")} == {"till"}
    assert {span.attributes["messaging.client.id"] for span in aio.of("CONSUMER")} == {"desk"}


@pytest.fixture(scope="session")
def loop(embedded: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The application of kafka-python."""
    return run("kafka_python_loop", embedded, "zero-code-kafka", folder=tmp_path_factory.mktemp("kafka"))


@needs("kafka")
@pytest.mark.parametrize("name", ["next", "for", "one of poll"])
def test_the_record_is_current(loop: Run, name: str) -> None:
    assert traced(loop, "zero-code-kafka", name)


@needs("kafka")
def test_the_iterator_makes_no_span_of_its_own_polls(loop: Run) -> None:
    links = [link for span in loop.by_name["poll zero-code-kafka"] for link in span.links]
    assert links == [span.id for span in loop.of("PRODUCER")][2:4]
    assert all(span.parent == "" for span in loop.by_name["handle the batch"])


@needs("kafka")
def test_a_message_has_one_send_span(loop: Run) -> None:
    assert len(loop.of("PRODUCER")) == 4


@needs("kafka")
def test_after_close_no_record_is_current(loop: Run) -> None:
    assert loop.parent("after") is None
