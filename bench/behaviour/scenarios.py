"""The scenarios: each tries one statement and says what was seen."""

# ruff: noqa: D103 - what the functions try stands in SCENARIOS
# Each scenario keeps its consumer, as an application does: what a contender ties to one ends with it.

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench.behaviour import records
from bench.behaviour.contenders import Contender
from bench.behaviour.records import TOPICS

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether the statement of a scenario holds, and what was seen."""

    holds: bool
    seen: str


Run = Callable[[Contender, str], Awaitable[Finding]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A statement that a user would like to hold, and how it is tried; the run gets the name of an empty topic."""

    name: str
    statement: str
    run: Run


async def handler(contender: Contender, _: str) -> Finding:
    (record,) = TOPICS[records.ONE]
    consumer = await contender.client.consumer(records.ONE)
    message = await contender.client.one(consumer)
    with contender.process(message):
        trace = contender.telemetry.handler()
    return Finding(trace == record.trace, f"handler span: {_place(trace, [record.trace])}")


async def batch(contender: Contender, _: str) -> Finding:
    consumer = await contender.client.consumer(records.TEN)
    messages = await contender.client.many(consumer, 10)
    traces = []
    for message in messages:
        with contender.process(message):
            traces.append(contender.telemetry.handler())
    wanted = [record.trace for record in TOPICS[records.TEN]]
    right = sum(trace == want for trace, want in zip(traces, wanted, strict=False))
    return Finding(traces == wanted, f"{right} of {len(traces)} handler spans in the trace of their producer")


async def clean(contender: Contender, _: str) -> Finding:
    before = contender.telemetry.ambient()
    consumer = await contender.client.consumer(records.FIRST)
    message = await contender.client.one(consumer)
    try:
        with contender.process(message):
            contender.telemetry.handler()
            raise ValueError("the handler failed")
    except ValueError:
        failed = contender.telemetry.ambient() == before
    for _number in range(2):
        message = await contender.client.one(consumer)
        with contender.process(message):
            contender.telemetry.handler()
            break
    left = contender.telemetry.ambient() == before
    await contender.client.close(consumer)
    closed = contender.telemetry.ambient() == before
    answer = ", ".join(
        f"{when}: {'clean' if good else 'a span stays current'}"
        for when, good in (("after an exception", failed), ("after break", left), ("after close()", closed))
    )
    return Finding(failed and left and closed, answer)


async def two_consumers(contender: Contender, _: str) -> Finding:
    before = contender.telemetry.ambient()
    first = await contender.client.consumer(records.FIRST)
    second = await contender.client.consumer(records.SECOND)
    for consumer in (first, second, first, second):
        message = await contender.client.one(consumer)
        with contender.process(message):
            contender.telemetry.handler()
    await contender.client.idle(first)
    await contender.client.idle(second)
    holds = contender.telemetry.ambient() == before
    return Finding(holds, "the context is as it was" if holds else "a span that has ended is current")


async def thread_pool(contender: Contender, _: str) -> Finding:
    (record,) = TOPICS[records.ONE]
    consumer = await contender.client.consumer(records.ONE)
    message = await contender.client.one(consumer)
    with ThreadPoolExecutor(1) as pool, contender.process(message):
        trace = pool.submit(contender.bind(contender.telemetry.handler)).result()
    return Finding(trace == record.trace, f"handler span: {_place(trace, [record.trace])}")


async def republish(contender: Contender, topic: str) -> Finding:
    (record,) = TOPICS[records.ONE]
    consumer = await contender.client.consumer(records.ONE)
    message = await contender.client.one(consumer)
    received = contender.client.headers(message)
    before = list(received)
    with contender.process(message):
        await contender.client.send(topic, b"again", contender.republished(message))
    wire = await _wire(contender, topic)
    values = [value.decode() for name, value in wire if name.lower() == "traceparent"]
    traces = [value[3:35] for value in values]
    unchanged = list(received) == before
    seen = f"{len(values)} traceparent on the wire"
    if len(values) > 1:
        seen += f" of {len(set(traces))} traces"
    elif traces != [record.trace]:
        seen += ", of another trace"
    if not unchanged:
        seen += "; the received list was changed"
    return Finding(traces == [record.trace] and unchanged, seen)


async def damaged(contender: Contender, _: str) -> Finding:
    consumer = await contender.client.consumer(records.DAMAGED)
    wanted = [record.value for record in TOPICS[records.DAMAGED]]
    handled, errors = [], []
    for _number in wanted:
        try:
            message = await contender.client.one(consumer)
        except Exception as error:  # noqa: BLE001 - what the contender lets through is the finding
            errors.append(type(error).__name__)
            continue
        with contender.process(message):
            handled.append(contender.client.value(message))
    seen = f"{len(handled)} of {len(wanted)} records handled"
    if errors:
        seen += f"; the read raised {', '.join(errors)}"
    return Finding(handled == wanted, seen)


async def tombstone(contender: Contender, _: str) -> Finding:
    consumer = await contender.client.consumer(records.TOMBSTONE)
    message = await contender.client.one(consumer)
    with contender.process(message):
        contender.telemetry.handler()
    await contender.client.close(consumer)
    names = [span.name for span in contender.telemetry.spans()]
    return Finding(bool(names), f"spans: {', '.join(names) or 'none'}")


async def case(contender: Contender, _: str) -> Finding:
    (record,) = TOPICS[records.CASE]
    consumer = await contender.client.consumer(records.CASE)
    message = await contender.client.one(consumer)
    with contender.process(message):
        contender.telemetry.handler()
    await contender.client.close(consumer)
    spans = contender.telemetry.spans()
    read = any(record.trace in (span.trace, *span.linked) for span in spans)
    return Finding(read, "read" if read else "ignored: no span in, or linked to, the producer's trace")


async def positional(contender: Contender, topic: str) -> Finding:
    headers: Any = [("user", b"kept")]
    with contender.telemetry.request() as trace:
        await contender.client.send(
            topic, b"paid", dict(headers) if contender.dict_headers else headers, positional=True
        )
    wire = dict(await _wire(contender, topic))
    carried = wire.get("traceparent", b"").decode()[3:35]
    seen = "traceparent of the request's trace" if carried == trace else "no traceparent of the request's trace"
    return Finding(carried == trace and wire.get("user") == b"kept", seen)


async def position(contender: Contender, topic: str) -> Finding:
    headers: Any = [("user", b"kept")]
    with contender.telemetry.request():
        await contender.client.send(topic, b"paid", dict(headers) if contender.dict_headers else headers)
    found = {
        fact: str(value)
        for span in contender.telemetry.spans()
        for name, value in span.attributes.items()
        for fact in ("partition", "offset")
        if fact in name and str(value) not in ("", "-1", "-1.0", "None")
    }
    seen = " and ".join(sorted(found)) or "neither"
    return Finding({"partition", "offset"} <= set(found), f"on the producer's spans: {seen}")


async def metrics(contender: Contender, _: str) -> Finding:
    consumer = await contender.client.consumer(records.ONE)
    message = await contender.client.one(consumer)
    with contender.process(message):
        contender.telemetry.handler()
    await contender.client.close(consumer)
    names = sorted(name for name in contender.telemetry.metrics() if name.startswith(("messaging.", "unbroken.")))
    wanted = {"messaging.process.duration", "messaging.client.consumed.messages"}
    return Finding(wanted <= set(names), ", ".join(names) or "no OpenTelemetry metric")


SCENARIOS = (
    Scenario("handler", "a span opened in the handler is in the producer's trace", handler),
    Scenario("batch", "batch of ten: each handler span is in the trace of its own producer", batch),
    Scenario("clean", "the context is clean after an exception, `break` and `close()`", clean),
    Scenario("two-consumers", "two consumers in one thread: no ended span becomes current again", two_consumers),
    Scenario("thread-pool", "a handler in a thread pool is in the producer's trace (ours: `bind`)", thread_pool),
    Scenario(
        "republish",
        "published again with the received headers (ours: `forward`): one `traceparent`, same trace",
        republish,
    ),
    Scenario("damaged", "a `traceparent` that is not UTF-8 costs no record", damaged),
    Scenario("tombstone", "a tombstone gets a span", tombstone),
    Scenario("case", "`Traceparent` is read", case),
    Scenario("positional", "headers given by position carry the context", positional),
    Scenario("position", "partition and offset are on the producer span", position),
    Scenario("metrics", "`messaging.process.duration` and `messaging.client.consumed.messages`", metrics),
)


async def _wire(contender: Contender, topic: str) -> Headers:
    """Return the headers of the first record of a topic."""
    consumer = await contender.client.consumer(topic)
    found: Headers = list(contender.client.headers(await contender.client.one(consumer)))
    await contender.client.close(consumer)
    return found


def _place(trace: str, producers: list[str]) -> str:
    return "in the producer's trace" if trace in producers else "in another trace"
