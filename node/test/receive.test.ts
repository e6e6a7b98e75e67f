import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { SpanKind, trace } from "@opentelemetry/api";
import {
  configure,
  eachBatch,
  eachMessage,
  receive,
  UnknownMessage,
  type Message,
  type MessageBatch,
} from "../src/index.js";
import { recording, type Recorded } from "./telemetry.js";
import { message, OTHER, OTHER_TRACE, payload, SPAN, TRACE, TRACEPARENT } from "./messages.js";

let recorded: Recorded;

beforeEach(() => {
  recorded = recording();
});

const batch = (...messages: Message[]): MessageBatch => ({ topic: "orders", partition: 3, messages });
const current = (): string | undefined => trace.getActiveSpan()?.spanContext().traceId;

test("a batch has one span, linked to every message", () => {
  receive(batch(message({ traceparent: TRACEPARENT }), message({ traceparent: OTHER }), message()), () => undefined);
  const span = recorded.span("poll orders");
  assert.equal(span.kind, SpanKind.CLIENT);
  assert.deepEqual(
    span.links.map((link) => link.context.traceId),
    [TRACE, OTHER_TRACE],
  );
});

test("the span of a batch says how many messages there are", () => {
  receive(batch(message(), message()), () => undefined, { group: "billing", clientId: "billing-1" });
  assert.deepEqual(recorded.span("poll orders").attributes, {
    "messaging.system": "kafka",
    "messaging.operation.name": "poll",
    "messaging.operation.type": "receive",
    "messaging.batch.message_count": 2,
    "messaging.destination.name": "orders",
    "messaging.client.id": "billing-1",
    "messaging.consumer.group.name": "billing",
  });
});

test("what differs within a batch is on the links", () => {
  receive(batch({ ...message({ traceparent: TRACEPARENT }), value: null }), () => undefined);
  assert.deepEqual(recorded.span("poll orders").links[0]?.attributes, {
    "messaging.destination.partition.id": "3",
    "messaging.kafka.offset": 42,
    "messaging.kafka.message.key": "order-17",
    "messaging.kafka.message.tombstone": true,
  });
});

test("the span of messages of several topics has no topic in its name", () => {
  receive([payload(), payload({}, "payments")], () => undefined);
  assert.equal(recorded.span("poll").attributes["messaging.destination.name"], undefined);
});

test("an empty batch has no span", () => {
  receive(batch(), () => undefined);
  assert.deepEqual(recorded.spans(), []);
});

test("an ignored topic has no span", () => {
  configure({ ignore: ["ord*"] });
  receive(batch(message()), () => undefined);
  assert.deepEqual(recorded.spans(), []);
});

test("the span begins where the poll began, when that is told", () => {
  receive(batch(message()), () => undefined, { startTime: 1_700_000_000_000 });
  assert.deepEqual(recorded.span("poll orders").startTime, [1_700_000_000, 0]);
});

test("what is no batch is refused", () => {
  for (const wrong of [null, {}, { topic: "orders" }, [null]]) {
    assert.throws(() => {
      receive(wrong as never, () => undefined);
    }, UnknownMessage);
  }
});

test("eachBatch processes each message in the trace of its own producer", async () => {
  const seen: (string | undefined)[] = [];
  const handler = eachBatch(async ({ batch, process }) => {
    for (const each of batch.messages) {
      await process(each, async () => {
        await Promise.resolve();
        seen.push(current());
      });
    }
  });
  await handler({ batch: batch(message({ traceparent: TRACEPARENT }), message({ traceparent: OTHER })) });
  assert.deepEqual(seen, [TRACE, OTHER_TRACE]);
});

test("a message of a batch links the span of the batch", async () => {
  await eachBatch(({ batch, process }) => {
    const [first] = batch.messages;
    if (first !== undefined) process(first, () => undefined);
    return Promise.resolve();
  })({ batch: batch(message({ traceparent: TRACEPARENT })) });
  const links = recorded.span("process orders").links.map((link) => link.context.spanId);
  assert.deepEqual(links, [SPAN, recorded.span("poll orders").spanContext().spanId]);
});

test("eachBatch passes on what the client gives, as it is", async () => {
  const given = {
    batch: batch(message()),
    resolveOffset: () => undefined,
    heartbeat: () => Promise.resolve(),
    pause: () => () => undefined,
    commitOffsetsIfNecessary: () => Promise.resolve(),
    uncommittedOffsets: () => ({ topics: [] }),
    isRunning: () => true,
    isStale: () => false,
  };
  await eachBatch((got: typeof given) => {
    for (const name of Object.keys(given) as (keyof typeof given)[]) assert.equal(got[name], given[name]);
    return Promise.resolve();
  })(given);
});

test("eachBatch marks the span of the batch that fails, and passes the error untouched", async () => {
  const poison = new RangeError("half of it");
  const failing = eachBatch(() => Promise.reject(poison))({ batch: batch(message()) });
  await assert.rejects(failing, (error) => error === poison);
  assert.equal(recorded.span("poll orders").attributes["error.type"], "RangeError");
});

test("eachMessage passes on what the client gives, as it is", async () => {
  const given = { ...payload(), heartbeat: () => Promise.resolve(), pause: () => () => undefined };
  await eachMessage((got: typeof given) => {
    assert.equal(got, given);
    return Promise.resolve();
  })(given);
});

test("eachMessage twice is once", async () => {
  await eachMessage(eachMessage(() => Promise.resolve()))(payload());
  assert.equal(recorded.spans().length, 1);
});

test("eachBatch twice is once", async () => {
  await eachBatch(eachBatch(() => Promise.resolve()))({ batch: batch(message()) });
  assert.equal(recorded.spans().length, 1);
});

test("a correlation that is neither is refused before the first message", () => {
  const wrong = { correlation: "links" as never };
  assert.throws(() => eachMessage(() => Promise.resolve(), wrong), TypeError);
  assert.throws(() => eachBatch(() => Promise.resolve(), wrong), TypeError);
});
