import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { context, ROOT_CONTEXT, SpanKind, trace } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import { attached, configure, extract, forward, process, traced } from "../src/index.js";
import { recording, silent, type Recorded } from "./telemetry.js";
import { OTHER, payload, SPAN, TRACE, TRACEPARENT } from "./messages.js";
import { KeepingProducer, type Sent } from "./producer.js";

let recorded: Recorded;
let plain: KeepingProducer;
let producer: KeepingProducer;

beforeEach(() => {
  recorded = recording();
  plain = new KeepingProducer();
  producer = traced(plain, { clientId: "shop", server: "broker:9092" });
});

const record = (...headers: (Record<string, unknown> | undefined)[]): Sent => ({
  topic: "orders",
  messages: headers.map((one) => (one === undefined ? { value: "{}" } : { value: "{}", headers: one })),
});
const ambient = extract({ traceparent: TRACEPARENT });

describe("one span for each message", () => {
  test("is a PRODUCER span, child of the current one", async () => {
    await attached(ambient, () => producer.send(record({})));
    const span = recorded.span("send orders");
    assert.deepEqual([span.kind, span.parentSpanContext?.spanId], [SpanKind.PRODUCER, SPAN]);
  });

  test("is what the headers carry", async () => {
    await producer.send(record(undefined));
    const { traceId, spanId } = recorded.span("send orders").spanContext();
    assert.deepEqual(plain.headers(), [{ traceparent: `00-${traceId}-${spanId}-01` }]);
  });

  test("says what is known before the broker answers", async () => {
    await producer.send({ topic: "orders", messages: [{ key: "order-17", value: null, partition: 2 }] });
    assert.deepEqual(recorded.span("send orders").attributes, {
      "messaging.system": "kafka",
      "messaging.operation.name": "send",
      "messaging.operation.type": "send",
      "messaging.destination.name": "orders",
      "messaging.destination.partition.id": "2",
      "messaging.kafka.message.key": "order-17",
      "messaging.kafka.message.tombstone": true,
      "messaging.client.id": "shop",
      "server.address": "broker",
      "server.port": 9092,
    });
  });

  test("replaces old fields in whatever case, arrays too, and keeps the others in order", async () => {
    const id = Buffer.from([0xff]);
    await attached(ambient, () =>
      producer.send(record({ TraceParent: [TRACEPARENT, TRACEPARENT], id, k: ["1", "2"] })),
    );
    const [headers = {}] = plain.headers();
    assert.deepEqual(Object.keys(headers), ["id", "k", "traceparent"]);
    assert.deepEqual([headers["id"], headers["k"]], [id, ["1", "2"]]);
  });

  test("never changes the application's message", async () => {
    const given = Object.freeze({ value: "{}", headers: Object.freeze({ id: "17" }) });
    await producer.send({ topic: "orders", messages: Object.freeze([given]) });
    assert.deepEqual(given, { value: "{}", headers: { id: "17" } });
  });

  test("copies what clients read of a message that is an object of a class", async () => {
    class Order {
      readonly #id = "17";
      get key(): string {
        return this.#id;
      }
      get value(): string {
        return `{"order": ${this.#id}}`;
      }
    }
    await producer.send({ topic: "orders", messages: [new Order()] });
    const [message] = plain.sent[0]?.messages ?? [];
    assert.deepEqual([message?.key, message?.value], ["17", '{"order": 17}']);
  });

  test("is there for each message of a batch", async () => {
    await producer.sendBatch({ topicMessages: [record({}, {}), { topic: "payments", messages: [{ value: "1" }] }] });
    assert.deepEqual(
      recorded.spans().map((span) => span.name),
      ["send orders", "send orders", "send payments"],
    );
  });

  test("is there in a transaction", async () => {
    const transaction = await producer.transaction();
    await transaction.send(record({}));
    assert.equal(recorded.spans().length, 1);
  });

  test("goes to the topic of a record that has it by inheritance", async () => {
    class Orders {
      readonly messages = [{ value: "{}" }];
      readonly #name = "orders";
      get topic(): string {
        return this.#name;
      }
    }
    await producer.send(new Orders());
    assert.deepEqual(
      plain.sent.map(({ topic }) => topic),
      ["orders"],
    );
  });

  test("passes on all else of the call", async () => {
    await producer.send({ ...record({}), acks: 1 });
    assert.equal(plain.sent[0]?.acks, 1);
  });
});

describe("the acknowledgement", () => {
  const told = (...places: [string, number, string][]): unknown[] =>
    places.map(([topicName, partition, baseOffset]) => ({ topicName, partition, baseOffset, errorCode: 0 }));
  const places = (): unknown[][] =>
    recorded
      .spans()
      .map(({ attributes }) => [
        attributes["messaging.destination.partition.id"],
        attributes["messaging.kafka.offset"],
      ]);

  test("puts partition and offset on the span", async () => {
    await traced(new KeepingProducer(() => told(["orders", 2, "41"]))).send(record({}));
    assert.deepEqual(places(), [["2", 41]]);
  });

  test("puts the offset on the first message of its partition, which alone it tells", async () => {
    await traced(new KeepingProducer(() => told(["orders", 2, "41"]))).send(record({}, {}));
    assert.deepEqual(places(), [
      ["2", 41],
      ["2", undefined],
    ]);
  });

  test("of several partitions is not guessed at", async () => {
    await traced(new KeepingProducer(() => told(["orders", 1, "7"], ["orders", 2, "41"]))).send(record({}, {}));
    assert.deepEqual(places(), [
      [undefined, undefined],
      [undefined, undefined],
    ]);
  });

  test("of several partitions that the application chose is known", async () => {
    await traced(new KeepingProducer(() => told(["orders", 1, "7"], ["orders", 2, "41"]))).send({
      topic: "orders",
      messages: [
        { value: "", partition: 2 },
        { value: "", partition: 1 },
      ],
    });
    assert.deepEqual(places(), [
      ["2", 41],
      ["1", 7],
    ]);
  });

  test("of a topic that is named twice is not guessed at", async () => {
    await traced(new KeepingProducer(() => told(["orders", 1, "7"], ["orders", 2, "41"]))).sendBatch({
      topicMessages: [record({}), { topic: "orders", messages: [{ value: "", partition: 1 }] }],
    });
    assert.deepEqual(places(), [
      [undefined, undefined],
      ["1", undefined],
    ]);
  });

  test("of a message whose partition is -1, which leaves it to the client, is not guessed at", async () => {
    await traced(new KeepingProducer(() => told(["orders", 1, "7"], ["orders", 2, "41"]))).send({
      topic: "orders",
      messages: [
        { value: "", partition: -1 },
        { value: "", partition: 1 },
      ],
    });
    assert.deepEqual(places(), [
      [undefined, undefined],
      ["1", undefined],
    ]);
  });

  test("that tells no offset puts none on the span", async () => {
    await traced(new KeepingProducer(() => told(["orders", 2, "-1"]))).send(record({}));
    assert.deepEqual(places(), [["2", undefined]]);
  });

  test("in a shape that is not known ends the span all the same", async () => {
    for (const answer of [undefined, null, 7, [null], [{}]]) {
      await traced(new KeepingProducer(() => answer)).send(record({}));
    }
    assert.equal(recorded.spans().length, 5);
  });

  test("ends the span, not the call", async () => {
    let acknowledge: ((answer: unknown) => void) | undefined;
    const answer = new Promise((resolve) => (acknowledge = resolve));
    const sending = traced(new KeepingProducer(() => answer)).send(record({}));
    assert.equal(recorded.spans().length, 0);
    acknowledge?.([]);
    await sending;
    assert.equal(recorded.spans().length, 1);
  });

  test("that fails marks every span and passes the error untouched", async () => {
    const refused = new RangeError("too large");
    const failing = traced(new KeepingProducer(() => Promise.reject(refused))).send(record({}, {}));
    await assert.rejects(failing, (error) => error === refused);
    assert.deepEqual(
      recorded.spans().map((span) => span.attributes["error.type"]),
      ["RangeError", "RangeError"],
    );
  });
});

describe("headers that hold a context already", () => {
  test("without a current span are the parent, and replaced", async () => {
    await producer.send(record({ traceparent: TRACEPARENT }));
    const span = recorded.span("send orders");
    assert.equal(span.parentSpanContext?.spanId, SPAN);
    assert.deepEqual(plain.headers(), [{ traceparent: `00-${TRACE}-${span.spanContext().spanId}-01` }]);
  });

  test("keep their baggage when they are the parent", async () => {
    await producer.send(record({ traceparent: TRACEPARENT, baggage: "tenant=blue" }));
    assert.equal(plain.headers()[0]?.["baggage"], "tenant=blue");
  });

  test("of the current trace are replaced", async () => {
    await attached(ambient, () => producer.send(record({ traceparent: `00-${TRACE}-${"1".repeat(16)}-01` })));
    const span = recorded.span("send orders");
    assert.deepEqual(plain.headers(), [{ traceparent: `00-${TRACE}-${span.spanContext().spanId}-01` }]);
  });

  test("of another trace are kept, and linked by a CLIENT span", async () => {
    await attached(ambient, () => producer.send(record({ traceparent: OTHER })));
    const span = recorded.span("send orders");
    assert.deepEqual(plain.headers(), [{ traceparent: OTHER }]);
    assert.deepEqual([span.kind, span.links.length], [SpanKind.CLIENT, 1]);
  });

  test("of the message that is being processed are passed on, and replaced", async () => {
    configure({ correlation: "link" });
    const received = payload({ traceparent: OTHER });
    await process(received, () => producer.send(record({ traceparent: OTHER })));
    const span = recorded.span("send orders");
    assert.deepEqual(plain.headers(), [
      { traceparent: `00-${span.spanContext().traceId}-${span.spanContext().spanId}-01` },
    ]);
  });

  test("of forward hold one traceparent when they are sent", async () => {
    const received = payload({ traceparent: TRACEPARENT, id: "17" });
    await process(received, () => producer.send(record(forward(received, { error: new Error("schema 7") }))));
    const span = recorded.span("send orders");
    assert.deepEqual(plain.headers(), [
      {
        id: "17",
        "unbroken-origin": TRACEPARENT,
        "unbroken-source": "orders/3/42",
        "unbroken-attempt": "1",
        "unbroken-error": "Error: schema 7",
        traceparent: `00-${TRACE}-${span.spanContext().spanId}-01`,
      },
    ]);
  });
});

describe("one span for each call", () => {
  beforeEach(() => {
    plain = new KeepingProducer();
    producer = traced(plain, { spans: "call" });
  });

  test("is in the headers of every message", async () => {
    await producer.send(record({}, {}, {}));
    const { traceId, spanId } = recorded.span("send orders").spanContext();
    assert.equal(recorded.span("send orders").attributes["messaging.batch.message_count"], 3);
    assert.deepEqual(plain.headers(), Array(3).fill({ traceparent: `00-${traceId}-${spanId}-01` }));
  });

  test("of several topics has none in its name", async () => {
    await producer.sendBatch({ topicMessages: [record({}), { topic: "payments", messages: [{ value: "1" }] }] });
    assert.equal(recorded.span("send").attributes["messaging.batch.message_count"], 2);
  });

  test("links the contexts that it leaves in the headers", async () => {
    await attached(ambient, () => producer.send(record({ traceparent: OTHER }, {})));
    const span = recorded.span("send orders");
    assert.deepEqual([span.kind, span.links.length], [SpanKind.PRODUCER, 1]);
    assert.equal(plain.headers()[0]?.["traceparent"], OTHER);
  });

  test("without a current span leaves each message its own context", async () => {
    await producer.send(record({ traceparent: TRACEPARENT }, { traceparent: OTHER }));
    assert.deepEqual(plain.headers(), [{ traceparent: TRACEPARENT }, { traceparent: OTHER }]);
    assert.equal(recorded.span("send orders").links.length, 2);
  });
});

describe("one span for each call, and baggage alone", () => {
  const baggage = "tenant=blue";
  const sent = async (around: typeof ambient): Promise<unknown[]> => {
    producer = traced(plain, { spans: "call" });
    await attached(around, () => producer.send(record({ Baggage: baggage }, { id: "17" })));
    return plain.headers().map((headers) => headers?.["baggage"]);
  };

  test("keeps it in the message that has it", async () => {
    plain = new KeepingProducer();
    assert.deepEqual(await sent(ambient), [baggage, undefined]);
    assert.deepEqual(Object.keys(plain.headers()[0] ?? {}), ["traceparent", "baggage"]);
  });

  test("keeps it where nothing is current", async () => {
    plain = new KeepingProducer();
    assert.deepEqual(await sent(ROOT_CONTEXT), [baggage, undefined]);
  });

  test("replaces it by the current baggage", async () => {
    plain = new KeepingProducer();
    assert.deepEqual(await sent(extract({ traceparent: TRACEPARENT, baggage: "tenant=red" })), [
      "tenant=red",
      "tenant=red",
    ]);
  });
});

describe("the producer", () => {
  test("is there with all that it has", () => {
    assert.equal(producer.connect(), "connected, 0 sent");
  });

  test("is of the class that it was", () => {
    assert.equal(producer.constructor, KeepingProducer);
    assert.ok(producer instanceof KeepingProducer);
  });

  test("itself stays as it was", async () => {
    await plain.send(record({}));
    assert.deepEqual(recorded.spans(), []);
  });

  test("traced twice is traced once", async () => {
    assert.equal(traced(producer), producer);
    assert.equal(traced(plain), producer);
    await traced(traced(producer)).send(record({}));
    assert.equal(recorded.spans().length, 1);
  });

  test("says itself what is wrong with what is no message", async () => {
    for (const wrong of [undefined, null, 7, {}, { topic: "orders" }, { topic: "orders", messages: [null] }]) {
      const keeping = new KeepingProducer();
      await traced(keeping).send(wrong as never);
      assert.equal(keeping.sent[0], wrong);
    }
    assert.deepEqual(recorded.spans(), []);
  });

  test("gets headers in a shape that is not known as a message without context", async () => {
    await producer.send({ topic: "orders", messages: [{ value: "1", headers: 7 as never }] });
    assert.equal(recorded.spans().length, 1);
  });

  test("of an ignored topic is left alone", async () => {
    configure({ ignore: ["orders"] });
    const message = { value: "1" };
    await producer.send({ topic: "orders", messages: [message] });
    assert.equal(plain.sent[0]?.messages[0], message);
  });

  test("is left alone when tracing is suppressed", async () => {
    await context.with(suppressTracing(ROOT_CONTEXT), () => producer.send(record({ id: "17" })));
    assert.deepEqual(plain.headers(), [{ id: "17" }]);
  });

  test("without an SDK carries the context on", async () => {
    silent();
    await process(payload({ traceparent: TRACEPARENT }), () => producer.send(record({})));
    assert.deepEqual(plain.headers(), [{ traceparent: TRACEPARENT }]);
  });

  test("without spans carries the current context", async () => {
    configure({ spans: false });
    await attached(ambient, () => producer.send(record({})));
    assert.deepEqual(plain.headers(), [{ traceparent: TRACEPARENT }]);
  });

  test("with a sampler that throws carries the current context", async () => {
    recording({
      sampler: {
        shouldSample: () => {
          throw new Error("telemetry is broken");
        },
      },
    });
    await attached(ambient, () => producer.send(record({})));
    assert.deepEqual(plain.headers(), [{ traceparent: TRACEPARENT }]);
  });

  test("makes no span current", async () => {
    let seen: unknown = null;
    await traced(
      new KeepingProducer(() => {
        seen = trace.getActiveSpan();
        return [];
      }),
    ).send(record({}));
    assert.equal(seen, undefined);
  });

  test("a number of spans that is neither is refused", () => {
    assert.throws(() => traced(new KeepingProducer(), { spans: "none" as never }), TypeError);
  });
});
