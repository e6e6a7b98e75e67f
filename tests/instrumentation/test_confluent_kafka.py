"""confluent-kafka under `opentelemetry-instrument`: the record is current from `poll` to the next call."""

import pytest

from tests.instrumentation.conftest import Launch, needs
from tests.instrumentation.running import Run
from tests.instrumentation.running import run as run_app


def traced(run: Run, topic: str, handled: str) -> bool:
    """Whether a handler's span is below the process span, and that below the send span."""
    return run.path(f"handle {handled}") == [f"handle {handled}", f"process {topic}", f"send {topic}"]


@pytest.fixture(scope="session")
def loop(embedded: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The application whose names come `from confluent_kafka import`."""
    return run_app("confluent_from_import", embedded, "zero-code-loop", folder=tmp_path_factory.mktemp("loop"))


@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_each_record_is_handled_in_its_own_trace(loop: Run, name: str) -> None:
    assert traced(loop, "zero-code-loop", name)


def test_the_records_are_in_different_traces(loop: Run) -> None:
    assert len({span.trace for span in loop.of("PRODUCER")}) == 3


def test_a_message_has_one_send_span_and_one_process_span(loop: Run) -> None:
    assert (len(loop.of("PRODUCER")), len(loop.of("CONSUMER"))) == (3, 3)


def test_after_a_poll_that_gave_nothing_no_record_is_current(loop: Run) -> None:
    assert loop.parent("after") is None


def test_no_record_links_the_one_before(loop: Run) -> None:
    assert [span.links for span in loop.of("CONSUMER")] == [[span.parent] for span in loop.of("CONSUMER")]


def test_what_the_consumer_knows_is_on_its_spans(loop: Run) -> None:
    assert {span.attributes.get("messaging.consumer.group.name") for span in loop.of("CONSUMER")} == {"shop"}


def test_the_send_span_ends_in_the_delivery_report(loop: Run) -> None:
    assert sorted(span.attributes["messaging.kafka.offset"] for span in loop.of("PRODUCER")) == [0, 1, 2]


def test_nothing_is_said_in_the_log(loop: Run) -> None:
    assert [line for line in loop.log.splitlines() if "unbroken" in line or "Traceback" in line] == []


def test_subclasses_are_traced(launch: Launch, embedded: str, topic: str) -> None:
    run = launch("confluent_subclass", embedded, topic)
    assert traced(run, topic, "one")
    assert run.parent("after") is None
    assert run.output == ["['kind', 'traceparent']", "True True"]


def test_a_with_block_ends_the_record(launch: Launch, embedded: str, topic: str) -> None:
    confluent = pytest.importorskip("confluent_kafka")
    if not hasattr(confluent.Consumer, "__enter__"):
        pytest.skip("clients of this version are no blocks")
    run = launch("confluent_with", embedded, topic)
    assert traced(run, topic, "one")
    assert run.parent("after") is None


def test_two_consumers_in_a_thread_keep_their_records_apart(launch: Launch, embedded: str, topic: str) -> None:
    run = launch("confluent_two_consumers", embedded, topic)
    for side in ("left", "right"):
        for number in range(2):
            assert traced(run, f"{topic}-{side}", f"{side} {number}")
    assert run.path("handle after the left one") == [
        "handle after the left one",
        f"process {topic}-right",
        f"send {topic}-right",
    ]
    assert run.parent("after") is None
    assert all(span.links == [span.parent] for span in run.of("CONSUMER"))


def test_a_close_in_another_thread_ends_the_record_and_leaves_that_thread_alone(
    launch: Launch, embedded: str, topic: str
) -> None:
    run = launch("confluent_close_elsewhere", embedded, topic)
    assert traced(run, topic, "one")
    assert run.path("handle in the other thread") == ["handle in the other thread", "closing"]
    assert traced(run, topic, "one again")
    assert run.parent("after") is None
    assert all(span.links == [span.parent] for span in run.of("CONSUMER"))


def test_the_record_of_an_abandoned_consumer_ends_with_it(launch: Launch, embedded: str, topic: str) -> None:
    run = launch("confluent_abandoned", embedded, topic)
    assert traced(run, topic, "abandoned")
    assert run.parent("after") is None


def test_a_record_that_is_open_at_the_end_of_the_program_is_exported(launch: Launch, embedded: str, topic: str) -> None:
    assert traced(launch("confluent_abandoned", embedded, topic), topic, "never closed")


@pytest.fixture(scope="session")
def batch(embedded: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The application that calls `consume`."""
    return run_app("confluent_batch", embedded, "zero-code-batch", folder=tmp_path_factory.mktemp("batch"))


def test_a_batch_is_a_span_with_links(batch: Run) -> None:
    links = [link for span in batch.by_name["poll zero-code-batch"] for link in span.links]
    assert links == [span.id for span in batch.of("PRODUCER")][:3]


def test_no_record_of_a_batch_is_current_beside_a_loop_over_it(batch: Run) -> None:
    assert all(span.parent == "" for span in batch.by_name["handle the batch"])


@pytest.mark.parametrize("name", ["0", "1", "2"])
def test_each_record_of_a_batch_is_handled_in_its_own_trace(batch: Run, name: str) -> None:
    assert traced(batch, "zero-code-batch", name)


def test_the_record_of_a_call_that_asks_for_one_is_current(batch: Run) -> None:
    assert traced(batch, "zero-code-batch", "one")
    assert batch.parent("after") is None


def test_process_and_a_drop_in_producer_of_an_instrumented_application_make_no_second_span(
    launch: Launch, embedded: str, topic: str
) -> None:
    run = launch("confluent_by_hand", embedded, topic)
    assert (len(run.of("PRODUCER")), len(run.of("CONSUMER"))) == (1, 1)
    assert traced(run, topic, "one")
    assert run.output == ["['traceparent']"]


@pytest.fixture(scope="session")
def serializing(embedded: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The application whose classes serialize, imported from the modules that define them."""
    return run_app("confluent_serializing", embedded, "zero-code-serde", folder=tmp_path_factory.mktemp("serde"))


def test_classes_that_serialize_are_traced(serializing: Run) -> None:
    assert traced(serializing, "zero-code-serde", "one")
    assert serializing.parent("after") is None


def test_a_message_that_cannot_be_deserialized_is_current_where_the_error_is_handled(serializing: Run) -> None:
    assert traced(serializing, "zero-code-serde", "poison")


@pytest.fixture(scope="session")
def aio(embedded: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The application of asyncio."""
    return run_app("confluent_asyncio", embedded, "zero-code-aio", folder=tmp_path_factory.mktemp("aio"))


@needs("confluent_kafka.aio")
@pytest.mark.parametrize("name", ["0", "1"])
def test_the_record_is_current_in_the_coroutine(aio: Run, name: str) -> None:
    assert traced(aio, "zero-code-aio", name)


@needs("confluent_kafka.aio")
def test_the_thread_that_polls_makes_no_span_of_its_own(aio: Run) -> None:
    assert (len(aio.of("PRODUCER")), len(aio.of("CONSUMER"))) == (3, 2)


@needs("confluent_kafka.aio")
def test_a_batch_of_asyncio_is_a_span_with_links(aio: Run) -> None:
    (span,) = aio.by_name["poll zero-code-aio"]
    assert span.links == [aio.of("PRODUCER")[2].id]
    assert aio.one("handle the batch").parent == ""


@needs("confluent_kafka.aio")
def test_after_close_in_a_coroutine_no_record_is_current(aio: Run) -> None:
    assert aio.parent("after") is None


@pytest.fixture(scope="session")
def switched_off(embedded: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The application that suppresses its instrumentation, and at last takes it away."""
    return run_app("confluent_switched_off", embedded, "zero-code-off", folder=tmp_path_factory.mktemp("off"))


def test_what_is_suppressed_has_no_span_and_no_header(switched_off: Run) -> None:
    assert "suppressed None" in switched_off.output
    assert [span.name for span in switched_off.spans].count("send zero-code-off") == 2


def test_after_suppression_the_next_record_is_current(switched_off: Run) -> None:
    path = switched_off.path("handle open")
    assert path[:3] == ["handle open", "process zero-code-off", "send zero-code-off"]


def test_uninstrument_ends_the_record_that_is_current(switched_off: Run) -> None:
    assert switched_off.parent("handle after uninstrument") is None


def test_clients_that_were_made_before_uninstrument_work_on_untraced(switched_off: Run) -> None:
    assert "uninstrumented None" in switched_off.output
    assert switched_off.parent("handle uninstrumented") is None


def settings(run: Run) -> list[str]:
    return [line for line in run.log.splitlines() if "UNBROKEN_" in line]


def test_a_destination_that_is_ignored_is_left_alone(launch: Launch, embedded: str, topic: str) -> None:
    run = launch("confluent_subclass", embedded, topic, UNBROKEN_IGNORE=f"other,{topic[:12]}*")
    assert (run.of("PRODUCER"), run.of("CONSUMER")) == ([], [])
    assert run.output[0] == "['kind']"


def test_a_wrong_variable_is_an_error_in_the_log_and_the_application_is_traced(
    launch: Launch, embedded: str, topic: str
) -> None:
    run = launch("confluent_subclass", embedded, topic, UNBROKEN_CORRELATION="parents", UNBROKEN_IGNORES="x")
    assert traced(run, topic, "one")
    assert settings(run) == [
        "UNBROKEN_CORRELATION='parents': it can be parent or link; the default is parent",
        "UNBROKEN_IGNORES='x': there is no such variable; did you mean UNBROKEN_IGNORE?",
    ]
