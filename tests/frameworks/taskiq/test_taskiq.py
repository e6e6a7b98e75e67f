"""taskiq: one trace through sender, task, retry and dead letter; the context where each task runs."""

import asyncio
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.trace import SpanKind, StatusCode
from taskiq import (
    AsyncBroker,
    Context,
    InMemoryBroker,
    SendTaskError,
    SimpleRetryMiddleware,
    SmartRetryMiddleware,
    TaskiqDepends,
    TaskiqMessage,
    TaskiqMiddleware,
)
from taskiq.kicker import AsyncKicker

from tests.frameworks.taskiq.conftest import PATIENCE, Seen, named, on_kafka, on_rabbitmq, trace_of, working
from unbroken import extract, process
from unbroken.frameworks.taskiq import UnbrokenMiddleware
from unbroken.testing import Spans

# taskiq-aio-kafka passes an argument that newer versions of aiokafka warn about.
pytestmark = pytest.mark.filterwarnings("ignore:The `api_version` parameter:DeprecationWarning")

CONTEXT: Context = TaskiqDepends()
"""taskiq's context of the execution, as an argument of a task."""

tracer = trace.get_tracer("shop")


def steps(spans: Spans) -> list[tuple[str, Any]]:
    """The ended spans of a sender or a worker, with their parents, from the first that began."""
    found = [span for span in spans.finished if span.kind in (SpanKind.PRODUCER, SpanKind.CONSUMER)]
    found.sort(key=lambda span: span.start_time or 0)
    return [(span.name.split()[0], span) for span in found]


def assert_one_chain(spans: Spans, order: Any, expected: list[str]) -> None:
    """Each span is of the trace of the order, and a child of the one before."""
    parent = order.get_span_context().span_id
    chain = steps(spans)
    assert [step for step, _ in chain] == expected
    for _, span in chain:
        assert (trace_of(span), span.parent.span_id) == (trace_of(order), parent)
        parent = span.get_span_context().span_id


async def test_sender_task_retry_and_dead_letter_are_one_trace(broker: AsyncBroker, spans: Spans, seen: Seen) -> None:
    broker = broker.with_middlewares(UnbrokenMiddleware(), SimpleRetryMiddleware(default_retry_count=3))

    @broker.task(task_name="bury")
    async def bury(order: int) -> None:
        seen.note()

    @broker.task(task_name="pay", retry_on_error=True)
    async def pay(order: int, context: Context = CONTEXT) -> None:
        if int(context.message.labels.get("_retries", 0)) < 2:
            raise TimeoutError("the bank")
        await bury.kiq(order)

    send = "publish" if "pika" in type(broker).__module__ else "send"
    async with working(broker):
        with tracer.start_as_current_span("order") as order:
            await pay.kiq(1)
        await seen.arrived(1)
    assert_one_chain(spans, order, [send, "process"] * 4)
    attempts = [span.attributes["unbroken.message.attempt"] for step, span in steps(spans) if step == "process"]
    assert attempts == [1, 2, 3, 1]


async def test_a_retry_that_waits_in_the_broker_is_in_the_trace(
    rabbitmq: str, name: str, spans: Spans, seen: Seen
) -> None:
    broker = on_rabbitmq(rabbitmq, name).with_middlewares(
        UnbrokenMiddleware(), SmartRetryMiddleware(default_delay=0.05)
    )

    @broker.task(task_name="pay", retry_on_error=True)
    async def pay(context: Context = CONTEXT) -> None:
        seen.note()
        if "_retries" not in context.message.labels:
            raise TimeoutError("the bank")

    async with working(broker):
        with tracer.start_as_current_span("order") as order:
            await pay.kiq()
        await seen.arrived(2)
    assert_one_chain(spans, order, ["publish", "process"] * 2)


async def test_a_message_in_the_dead_letter_queue_of_rabbitmq_carries_its_trace(
    rabbitmq: str, name: str, spans: Spans
) -> None:
    import aio_pika

    broker = on_rabbitmq(rabbitmq, name).with_middlewares(UnbrokenMiddleware())

    @broker.task(task_name="pay")
    async def pay() -> None:
        raise AssertionError("nobody works here")

    await broker.startup()
    try:
        with tracer.start_as_current_span("order") as order:
            await pay.kiq()
        async with await aio_pika.connect(rabbitmq) as connection:
            channel = await connection.channel()
            await (await (await channel.get_queue(name)).get(timeout=PATIENCE)).reject(requeue=False)
            dead = await channel.get_queue(f"{name}.dead")
            async with dead.iterator(timeout=PATIENCE) as messages:
                message = await anext(aiter(messages))
                with process(message) as span:
                    assert trace_of(span) == trace_of(order)
                await message.ack()
    finally:
        await broker.shutdown()


async def test_the_spans_tell_where_the_message_goes_and_which_task_it_is_for(
    real_kafka: str, name: str, spans: Spans, seen: Seen
) -> None:
    broker = on_kafka(real_kafka, name).with_middlewares(UnbrokenMiddleware())

    @broker.task(task_name="pay")
    async def pay() -> None:
        seen.note()

    async with working(broker):
        task = await pay.kiq()
        await seen.arrived(1)
    (sent,), (executed,) = named(spans, "send pay"), named(spans, "process pay")
    shared = {
        "messaging.system": "kafka",
        "messaging.destination.name": name,
        "messaging.message.id": task.task_id,
        "taskiq.task_name": "pay",
    }
    sending = {"messaging.operation.name": "send", "messaging.operation.type": "send"}
    processing = {"messaging.operation.name": "process", "messaging.operation.type": "process"}
    assert dict(sent.attributes) == {**shared, **sending}
    assert dict(executed.attributes) == {**shared, **processing, "unbroken.message.attempt": 1}


async def test_the_spans_name_exchange_and_routing_key_of_rabbitmq(
    rabbitmq: str, name: str, spans: Spans, seen: Seen
) -> None:
    broker = on_rabbitmq(rabbitmq, name).with_middlewares(UnbrokenMiddleware())

    @broker.task(task_name="pay")
    async def pay() -> None:
        seen.note()

    async with working(broker):
        await pay.kiq()
        await seen.arrived(1)
    assert [span.name for span in spans.finished] == ["publish pay", "process pay"]
    assert [(span.attributes or {})["messaging.destination.name"] for span in spans.finished] == [f"{name}:{name}"] * 2


async def test_a_synchronous_task_runs_in_its_trace(broker: AsyncBroker, spans: Spans, seen: Seen) -> None:
    broker = broker.with_middlewares(UnbrokenMiddleware())
    loop = asyncio.get_running_loop()

    @broker.task(task_name="pay")
    def pay() -> None:
        with tracer.start_as_current_span("bank") as bank:
            loop.call_soon_threadsafe(seen.note, bank)

    async with working(broker):
        with tracer.start_as_current_span("order") as order:
            await pay.kiq()
        (bank,) = await seen.arrived(1)
    assert trace_of(bank) == trace_of(order)
    (executed,) = [span for step, span in steps(spans) if step == "process"]
    assert bank.parent.span_id == executed.get_span_context().span_id


BAD: list[dict[str, Any]] = [
    {"traceparent": "not a context"},
    {"traceparent": None},
    {"traceparent": 7},
    {"traceparent": ["00", {}], "baggage": 7},
    {"tracestate": {"a": 1}, "baggage": "\udcff"},
]


@pytest.mark.parametrize("labels", BAD, ids=ascii)
async def test_a_bad_label_hides_no_message_from_its_task(
    memory: InMemoryBroker, spans: Spans, seen: Seen, labels: dict[str, Any]
) -> None:
    memory.add_middlewares(UnbrokenMiddleware())

    @memory.task(task_name="pay")
    async def pay(order: int) -> None:
        seen.note(order)

    async with working(memory):
        given = TaskiqMessage(task_id="1", task_name="pay", labels=labels, args=[7], kwargs={})
        data = memory.formatter.dumps(given) if "\udcff" not in str(labels) else None
        if data is None:  # no JSON holds it: as another formatter would give it
            memory.formatter.loads = lambda message: given  # type: ignore[method-assign]
        await memory.receiver.callback(b"" if data is None else data.message, raise_err=True)
        assert await seen.arrived(1) == [7]
    assert [span.name for span in spans.finished] == ["process pay"]


async def test_a_message_of_another_program_is_executed_in_its_trace(
    real_kafka: str, name: str, spans: Spans, seen: Seen
) -> None:
    broker = on_kafka(real_kafka, name).with_middlewares(UnbrokenMiddleware())

    @broker.task(task_name="pay")
    async def pay() -> None:
        seen.note()

    labels = {"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    async with working(broker):
        given = TaskiqMessage(task_id="1", task_name="pay", labels=labels, args=[], kwargs={})
        await broker.kick(broker.formatter.dumps(given))
        (span,) = await seen.arrived(1)
    assert trace_of(span) == 0x0AF7651916CD43DD8448EB211C80319C


async def test_what_a_scheduler_sends_later_stays_in_the_trace_of_its_labels(
    memory: InMemoryBroker, spans: Spans, seen: Seen
) -> None:
    memory.add_middlewares(UnbrokenMiddleware())

    @memory.task(task_name="pay")
    async def pay() -> None:
        seen.note()

    labels = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    kicker: AsyncKicker[Any, Any] = AsyncKicker("pay", memory, labels)
    async with working(memory):
        await kicker.kiq()
        (span,) = await seen.arrived(1)
    assert trace_of(span) == 0x0AF7651916CD43DD8448EB211C80319C


async def test_a_retry_has_one_traceparent_in_its_labels(memory: InMemoryBroker, spans: Spans, seen: Seen) -> None:
    memory.add_middlewares(UnbrokenMiddleware(), SimpleRetryMiddleware())

    @memory.task(task_name="pay", retry_on_error=True)
    async def pay(context: Context = CONTEXT) -> None:
        seen.note(dict(context.message.labels))
        if "_retries" not in context.message.labels:
            raise TimeoutError("the bank")

    async with working(memory):
        given = TaskiqMessage(
            task_id="1",
            task_name="pay",
            labels={
                "retry_on_error": True,
                "TraceParent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            },
            args=[],
            kwargs={},
        )
        await memory.kick(memory.formatter.dumps(given))
        _, again = await seen.arrived(2)
    sent = named(spans, "send pay")[-1].get_span_context()
    assert {label: value[:53] for label, value in again.items() if label.lower() == "traceparent"} == {
        "traceparent": f"00-0af7651916cd43dd8448eb211c80319c-{sent.span_id:016x}-"
    }


async def test_a_failed_task_marks_its_span_and_keeps_its_result(memory: InMemoryBroker, spans: Spans) -> None:
    memory.add_middlewares(UnbrokenMiddleware())

    @memory.task(task_name="pay")
    async def pay() -> None:
        raise ValueError("poison")

    async with working(memory):
        result = await (await pay.kiq()).wait_result(timeout=PATIENCE)
    assert isinstance(result.error, ValueError)
    (executed,) = named(spans, "process pay")
    assert executed.status.status_code is StatusCode.ERROR
    assert executed.attributes["error.type"] == "ValueError"
    assert [event.name for event in executed.events] == ["exception"]


async def test_each_attempt_that_failed_marks_its_own_span(memory: InMemoryBroker, spans: Spans, seen: Seen) -> None:
    memory.add_middlewares(UnbrokenMiddleware(), SimpleRetryMiddleware())

    @memory.task(task_name="pay", retry_on_error=True)
    async def pay(context: Context = CONTEXT) -> None:
        if "_retries" not in context.message.labels:
            raise TimeoutError("the bank")
        seen.note(1)

    async with working(memory):
        await pay.kiq()
        await seen.arrived(1)
    codes = [span.status.status_code for step, span in steps(spans) if step == "process"]
    assert codes == [StatusCode.ERROR, StatusCode.UNSET]


async def test_a_message_that_the_broker_refuses_marks_its_span_and_raises(
    spans: Spans,
) -> None:
    class Down(InMemoryBroker):
        async def kick(self, message: Any) -> None:
            raise ConnectionError("no broker")

    broker = Down().with_middlewares(UnbrokenMiddleware())

    @broker.task(task_name="pay")
    async def pay() -> None: ...

    with pytest.raises(SendTaskError):
        await pay.kiq()
    (sent,) = spans.finished
    assert (sent.name, sent.status.status_code) == ("send pay", StatusCode.ERROR)
    assert sent.attributes is not None
    assert sent.attributes["error.type"] == "ConnectionError"


async def test_a_message_that_cannot_be_serialized_ends_its_span(memory: InMemoryBroker, spans: Spans) -> None:
    memory.add_middlewares(UnbrokenMiddleware())

    @memory.task(task_name="pay")
    async def pay(order: object) -> None: ...

    with pytest.raises(SendTaskError):
        await asyncio.create_task(pay.kiq(object()))
    await asyncio.sleep(0)
    (sent,) = spans.finished
    assert (sent.name, sent.status.status_code) == ("send pay", StatusCode.ERROR)


async def test_the_span_of_an_execution_ends_where_another_middleware_raises(
    memory: InMemoryBroker, spans: Spans, seen: Seen
) -> None:
    class Broken(TaskiqMiddleware):
        def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
            raise LookupError("no such tenant")

    memory.add_middlewares(UnbrokenMiddleware(), Broken())

    @memory.task(task_name="pay")
    async def pay() -> None: ...

    data = memory.formatter.dumps(TaskiqMessage(task_id="1", task_name="pay", labels={}, args=[], kwargs={}))
    with pytest.raises(LookupError):
        await asyncio.create_task(memory.receiver.callback(data.message))
    await asyncio.sleep(0)
    (executed,) = spans.finished
    assert executed.attributes is not None
    assert (executed.name, executed.attributes["error.type"]) == ("process pay", "LookupError")


async def test_the_span_of_an_execution_in_place_ends_where_another_middleware_raises(spans: Spans) -> None:
    class Broken(TaskiqMiddleware):
        def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
            raise LookupError("no such tenant")

    broker = InMemoryBroker(await_inplace=True).with_middlewares(UnbrokenMiddleware(), Broken())

    @broker.task(task_name="pay")
    async def pay() -> None: ...

    before = context.get_current()
    with pytest.raises(SendTaskError):
        await pay.kiq()
    assert context.get_current() == before
    (executed,) = spans.named("process pay")
    assert executed.attributes is not None
    assert executed.attributes["error.type"] == "LookupError"


async def test_nothing_of_a_message_is_left_after_it(memory: InMemoryBroker, spans: Spans, seen: Seen) -> None:
    broker = InMemoryBroker(await_inplace=True).with_middlewares(UnbrokenMiddleware(), SimpleRetryMiddleware())

    @broker.task(task_name="pay", retry_on_error=True)
    async def pay() -> None:
        seen.note(baggage.get_baggage("user"))
        raise ValueError("poison")

    before = context.get_current()
    token = context.attach(baggage.set_baggage("user", "1"))
    await pay.kiq()
    assert context.get_current() == baggage.set_baggage("user", "1", context=before)
    context.detach(token)
    assert await seen.arrived(3) == ["1"] * 3


async def test_a_requeued_message_stays_in_its_trace(broker: AsyncBroker, spans: Spans, seen: Seen) -> None:
    broker = broker.with_middlewares(UnbrokenMiddleware())

    @broker.task(task_name="pay")
    async def pay(context: Context = CONTEXT) -> None:
        seen.note()
        if "X-Taskiq-requeue" not in context.message.labels:
            await context.requeue()

    async with working(broker):
        with tracer.start_as_current_span("order") as order:
            await pay.kiq()
        assert {trace_of(span) for span in await seen.arrived(2)} == {trace_of(order)}
    executed = [span for step, span in steps(spans) if step == "process"]
    assert {span.status.status_code for span in executed} == {StatusCode.UNSET}


async def test_the_middleware_given_twice_is_once(memory: InMemoryBroker, spans: Spans, seen: Seen) -> None:
    memory.add_middlewares(UnbrokenMiddleware(), UnbrokenMiddleware())

    @memory.task(task_name="pay")
    async def pay() -> None:
        seen.note()
        raise ValueError("poison")

    async with working(memory):
        await pay.kiq()
        await seen.arrived(1)
    found = sorted((span.name, span.status.status_code.name) for span in spans.finished)
    assert found == [("process pay", "ERROR"), ("send pay", "UNSET")]


async def test_the_block_of_the_same_message_in_the_task_is_the_same_block(
    memory: InMemoryBroker, spans: Spans, seen: Seen
) -> None:
    memory.add_middlewares(UnbrokenMiddleware())

    @memory.task(task_name="pay")
    async def pay(context: Context = CONTEXT) -> None:
        with process(context.message) as inside:
            seen.note(inside is trace.get_current_span())

    async with working(memory):
        await pay.kiq()
        assert await seen.arrived(1) == [True]
    assert sorted(span.name for span in spans.finished) == ["process pay", "send pay"]


async def test_the_context_of_a_message_is_read_from_its_labels() -> None:
    labels = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    message = TaskiqMessage(task_id="1", task_name="pay", labels=labels, args=[], kwargs={})
    found = trace.get_current_span(extract(message)).get_span_context()
    assert found.trace_id == 0x0AF7651916CD43DD8448EB211C80319C


async def test_the_labels_of_the_application_are_not_changed(memory: InMemoryBroker, spans: Spans, seen: Seen) -> None:
    memory.add_middlewares(UnbrokenMiddleware())

    @memory.task(task_name="pay", tenant="a")
    async def pay() -> None:
        seen.note()

    kicker = pay.kicker()
    async with working(memory):
        await kicker.kiq()
        await seen.arrived(1)
    assert (kicker.labels, pay.labels) == ({"tenant": "a"}, {"tenant": "a"})
