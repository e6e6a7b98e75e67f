"""The scenarios of RabbitMQ and SQS: each tries one statement and says what was seen."""

# ruff: noqa: D103 - what the functions try stands in SCENARIOS

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bench.behaviour.queues import records
from bench.behaviour.queues.clients import ACK, RABBITMQ, REJECT, REQUEUE, SQS, Client, Message, Outcome
from bench.behaviour.queues.records import DEAD, OUT, SECOND
from bench.behaviour.scenarios import Finding
from bench.behaviour.telemetry import OpenTelemetry, Seen

SETTLING = {"ack", "nack", "reject", "delete", "deletemessage"}
"""Words of the spans that settle a message."""

ALL = (*RABBITMQ, *SQS)
LOOPS = tuple(client for client in ALL if client != "faststream")
"""Those that have a loop which the application can leave."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a scenario is tried with: the client of a contender, its telemetry, the queue of the cell."""

    client: Client
    telemetry: OpenTelemetry
    queue: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A statement that a user would like to hold, and how it is tried, with the clients that can try it."""

    name: str
    statement: str
    run: Callable[[Tried], Awaitable[Finding]]
    clients: tuple[str, ...] = ALL


async def handler(tried: Tried) -> Finding:
    traces = await _handled(tried, tried.queue, 1)
    return _placed(traces, records.of("handler"))


async def batch(tried: Tried) -> Finding:
    places = []

    async def see(message: Message) -> Outcome:  # some clients handle several at once, in any order
        places.append(tried.telemetry.handler() == tried.client.trace(message))
        return ACK

    await tried.client.consume(tried.queue, 10, see)
    return Finding(places == [True] * 10, f"{sum(places)} of 10 handler spans in the trace of their producer")


async def clean(tried: Tried) -> Finding:
    before = tried.telemetry.ambient()

    async def failing(_: Message) -> Outcome:
        tried.telemetry.handler()
        raise ValueError("the handler failed")

    answers = {}
    try:
        await tried.client.consume(tried.queue, 1, failing)
    except ValueError:
        pass
    answers["after an exception"] = tried.telemetry.ambient() == before
    loop = await tried.client.open(tried.queue + SECOND)
    with tried.client.block(await tried.client.one(loop)):
        tried.telemetry.handler()
    await tried.client.leave(loop)
    answers["after break"] = tried.telemetry.ambient() == before
    await tried.client.close()
    answers["after close()"] = tried.telemetry.ambient() == before
    seen = ", ".join(f"{when}: {'clean' if good else 'a span stays current'}" for when, good in answers.items())
    return Finding(all(answers.values()), seen)


async def two_consumers(tried: Tried) -> Finding:
    before = tried.telemetry.ambient()
    loops = [await tried.client.open(tried.queue + suffix) for suffix in ("", SECOND)]
    wanted = [record.trace for record in records.of("two-consumers") for _ in loops]
    traces = []
    for _ in records.of("two-consumers"):
        for loop in loops:
            with tried.client.block(await tried.client.one(loop)):
                traces.append(tried.telemetry.handler())
    for loop in loops:
        await tried.client.leave(loop)
    clean_after = tried.telemetry.ambient() == before
    right = sum(trace == want for trace, want in zip(traces, wanted, strict=True))
    seen = f"{right} of {len(wanted)} handler spans in the trace of their producer; after both loops "
    return Finding(
        clean_after and traces == wanted, seen + ("the context is as it was" if clean_after else "a span is current")
    )


async def republish(tried: Tried) -> Finding:
    (record,) = records.of("republish")
    changed = []

    async def again(message: Message) -> Outcome:
        before = dict(message.headers)
        await tried.client.send(tried.queue + OUT, tried.client.forwarded(message))
        changed.append(dict(message.headers) != before)
        return ACK

    await tried.client.consume(tried.queue, 1, again)
    traceparent = str((await tried.client.wire(tried.queue + OUT)).get("traceparent"))
    original = dict(record.headers)["traceparent"]
    assert isinstance(original, bytes)
    seen = "in the producer's trace" if traceparent[3:35] == record.trace else "in another trace"
    if traceparent == original.decode():
        seen = "with the traceparent of the first producer, past the handler's span"
    if changed != [False]:
        seen += "; the received headers were changed"
    holds = traceparent[3:35] == record.trace and traceparent != original.decode()
    return Finding(holds, f"published {seen}")


async def unchanged(tried: Tried) -> Finding:
    headers = tried.client.given({"user": "kept"})
    before = {name: dict(value) if isinstance(value, dict) else value for name, value in headers.items()}
    with tried.telemetry.request() as trace:
        await tried.client.send(tried.queue + OUT, headers)
    carried = str((await tried.client.wire(tried.queue + OUT)).get("traceparent"))[3:35] == trace
    seen = "sent in the request's trace" if carried else "sent without the request's trace"
    same = headers == before
    return Finding(carried and same, seen + ("; the caller's object is as it was" if same else "; it was changed"))


async def damaged(tried: Tried) -> Finding:
    wanted = [record.value for record in records.of("damaged")]
    handled, errors = [], []

    async def see(message: Message) -> Outcome:
        handled.append(message.value)
        return ACK

    for _ in wanted:
        if len(handled) < len(wanted):
            try:
                await tried.client.consume(tried.queue, len(wanted) - len(handled), see)
            except Exception as error:  # noqa: BLE001 - what the contender lets through is the finding
                errors.append(type(error).__name__)
    seen = f"{len(set(handled))} of {len(wanted)} messages handled"
    if errors:
        seen += f"; raised {', '.join(sorted(set(errors)))}"
    return Finding(sorted(handled) == sorted(wanted), seen)  # type: ignore[type-var]


async def settled(tried: Tried) -> Finding:
    (record,) = records.of("settled")
    await _handled(tried, tried.queue, 1)
    await tried.client.close()
    settling = [span for span in tried.telemetry.spans() if _settles(span)]
    if not settling:
        return Finding(False, "no such span")
    holds = all(span.trace == record.trace for span in settling)
    return Finding(holds, f"{settling[0].name}: {'in the trace of its message' if holds else 'in another trace'}")


async def redelivered(tried: Tried) -> Finding:
    traces = [
        *await _handled(tried, tried.queue, 1, REQUEUE),
        *await _handled(tried, tried.queue, 1),
    ]
    return _placed(traces, records.of("redelivered") * 2)


async def dead_letter(tried: Tried) -> Finding:
    return _placed(await _dead_lettered(tried), records.of("dead-letter"))


async def counted(tried: Tried) -> Finding:
    await _dead_lettered(tried)
    await tried.client.close()
    attributes = {name for span in tried.telemetry.spans() for name in span.attributes}
    facts = sorted(name for name in attributes if "death" in name or "receive_count" in name)
    return Finding(bool(facts), f"on its span: {', '.join(facts) or 'nothing of it'}")


async def full(tried: Tried) -> Finding:
    headers = tried.client.given({f"user-{number}": "kept" for number in range(10)})
    with tried.telemetry.request():
        await tried.client.send(tried.queue + OUT, headers)
    wire = await tried.client.wire(tried.queue + OUT)
    sent = sorted(wire) == [f"user-{number}" for number in range(10)]
    told = [name for span in tried.telemetry.spans() for name in span.attributes if "left_out" in name]
    seen = "sent as it is" if sent else f"sent with {len(wire)} attributes"
    return Finding(sent and bool(told), f"{seen}; {'said' if told else 'nothing'} on the span")


async def metrics(tried: Tried) -> Finding:
    await _handled(tried, tried.queue, 1)
    names = sorted(name for name in tried.telemetry.metrics() if name.startswith(("messaging.", "unbroken.")))
    wanted = {"messaging.process.duration", "messaging.client.consumed.messages"}
    return Finding(wanted <= set(names), ", ".join(names) or "no OpenTelemetry metric")


SCENARIOS = (
    Scenario("handler", "a span opened in the handler is in the producer's trace", handler),
    Scenario("batch", "ten messages: each handler span is in the trace of its own producer", batch),
    Scenario("clean", "the context is clean after an exception, `break` and `close()`", clean, LOOPS),
    Scenario(
        "two-consumers", "two loops take turns in one thread: each handler in its own trace", two_consumers, LOOPS
    ),
    Scenario("settled", "the acknowledgement, or the deletion, is a span in the message's trace", settled),
    Scenario("redelivered", "a message that comes again is in the producer's trace again", redelivered),
    Scenario("dead-letter", "a message that the broker dead-letters keeps its trace", dead_letter),
    Scenario("counted", "and its span says that it was, or how often it came", counted),
    Scenario(
        "republish", "published again with the received headers (ours: `forward`): a child of the handler", republish
    ),
    Scenario("unchanged", "publishing carries the context and does not change the caller's headers", unchanged),
    Scenario("damaged", "a `traceparent` that is no text costs no message", damaged),
    Scenario("full", "a message with ten attributes is sent as it is, and its span says so", full, SQS),
    Scenario("metrics", "`messaging.process.duration` and `messaging.client.consumed.messages`", metrics),
)


async def _dead_lettered(tried: Tried) -> list[str]:
    """Let the broker dead-letter the message and return the trace in which the dead letter is handled."""
    await _handled(tried, tried.queue, 1, REJECT)
    if type(tried.client).__name__ in ("Boto3", "Aiobotocore"):  # SQS gives a message up when it is asked again
        await _handled(tried, tried.queue, 1)
    return await _handled(tried, tried.queue + DEAD, 1)


async def _handled(tried: Tried, queue: str, count: int, outcome: Outcome = ACK) -> list[str]:
    """Handle so many messages and return the traces of the spans that the handlers opened."""
    traces = []

    async def handle(_: Message) -> Outcome:
        traces.append(tried.telemetry.handler())
        return outcome

    await tried.client.consume(queue, count, handle)
    return traces


def _placed(traces: list[str], wanted: list[Any]) -> Finding:
    if len(traces) != len(wanted):
        return Finding(False, f"{len(traces)} of {len(wanted)} messages came")
    holds = traces == [record.trace for record in wanted]
    return Finding(holds, f"handler span: {'in the producer' if holds else 'not in the producer'}'s trace")


def _settles(span: Seen) -> bool:
    named = str(span.attributes.get("messaging.operation.name", span.name)).lower()
    return not SETTLING.isdisjoint(re.findall("[a-z]+", named))
