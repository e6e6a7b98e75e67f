import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createNoopMeter, metrics, trace } from "@opentelemetry/api";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { DataPointType, type MetricData } from "@opentelemetry/sdk-metrics";
import { process, receive, traced, VERSION, type MessageBatch } from "../src/index.js";
import { measuring, recording } from "./telemetry.js";
import { message, payload, TRACEPARENT } from "./messages.js";
import { KeepingProducer } from "./producer.js";

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
let measured: () => Promise<Map<string, MetricData>>;

beforeEach(() => {
  recording();
  measured = measuring();
});

const points = (metrics: Map<string, MetricData>, name: string): unknown[] =>
  (metrics.get(name)?.dataPoints ?? []).map(({ attributes, value }) => [
    attributes,
    typeof value === "number" ? value : value.count,
  ]);
const processing = {
  "messaging.operation.name": "process",
  "messaging.system": "kafka",
  "messaging.destination.name": "orders",
};
const sending = { ...processing, "messaging.operation.name": "send" };

test("processing is timed, by operation, topic, group and server", async () => {
  process(payload(), () => undefined, { group: "billing", clientId: "billing-1", server: "broker:9092" });
  const attributes = {
    ...processing,
    "messaging.consumer.group.name": "billing",
    "server.address": "broker",
    "server.port": 9092,
  };
  assert.deepEqual(points(await measured(), "messaging.process.duration"), [[attributes, 1]]);
});

test("durations are in seconds, with the buckets of the conventions", async () => {
  process(payload(), () => undefined);
  const metric = (await measured()).get("messaging.process.duration");
  assert.equal(metric?.descriptor.unit, "s");
  const histograms = metric.dataPointType === DataPointType.HISTOGRAM ? metric.dataPoints : [];
  assert.deepEqual(
    histograms.map(({ value }) => value.buckets.boundaries),
    [BUCKETS],
  );
});

test("an error is on the duration of processing", async () => {
  await process(payload(), () => Promise.reject(new TypeError("no"))).catch(() => undefined);
  assert.deepEqual(points(await measured(), "messaging.process.duration"), [
    [{ ...processing, "error.type": "TypeError" }, 1],
  ]);
});

test("a thenable that settles twice is timed once", async () => {
  const twice: PromiseLike<number> = {
    then: (resolve, reject) => {
      resolve?.(7);
      reject?.(new Error("again"));
      return Promise.resolve() as never;
    },
  };
  assert.equal(await process(payload(), () => twice), 7);
  assert.deepEqual(points(await measured(), "messaging.process.duration"), [[processing, 1]]);
});

test("a message is counted as consumed once, received and processed", async () => {
  const messages = [message(), message()];
  receive({ topic: "orders", partition: 3, messages }, () => {
    for (const each of messages) process({ topic: "orders", partition: 3, message: each }, () => undefined);
  });
  assert.deepEqual(points(await measured(), "messaging.client.consumed.messages"), [
    [{ ...processing, "messaging.operation.name": "poll" }, 2],
  ]);
});

test("a message that is processed alone is counted as consumed", async () => {
  process(payload(), () => undefined);
  assert.deepEqual(points(await measured(), "messaging.client.consumed.messages"), [[processing, 1]]);
});

test("the time that a message waited is measured", async () => {
  process(payload(), () => undefined);
  assert.deepEqual(points(await measured(), "unbroken.queue.duration"), [[processing, 1]]);
});

test("a message without a timestamp has waited for no time that is known", async () => {
  const received = payload();
  process({ ...received, message: { ...received.message, timestamp: "" } }, () => undefined);
  assert.equal((await measured()).has("unbroken.queue.duration"), false);
});

test("malformed fields are counted", async () => {
  process(payload({ traceparent: ["x", TRACEPARENT], baggage: "=" }), () => undefined);
  assert.deepEqual(points(await measured(), "unbroken.carriers.malformed"), [
    [{ "messaging.system": "kafka", "unbroken.carrier.field": "traceparent" }, 1],
    [{ "messaging.system": "kafka", "unbroken.carrier.field": "baggage" }, 1],
  ]);
});

test("a field of a message is counted once, with the number of its problems", () => {
  const adds: unknown[][] = [];
  const counter = { add: (...all: unknown[]) => adds.push(all) };
  const meter = {
    ...createNoopMeter(),
    createCounter: () => counter,
    createHistogram: () => ({ record: () => undefined }),
  };
  metrics.disable();
  metrics.setGlobalMeterProvider({ getMeter: () => meter as never });
  process(payload({ traceparent: Array<string>(70_000).fill(""), baggage: "=,".repeat(100) }), () => undefined);
  const malformed = adds.filter(([, attributes]) => "unbroken.carrier.field" in (attributes as object));
  assert.deepEqual(
    malformed.map(([amount, attributes]) => [
      amount,
      (attributes as Record<string, unknown>)["unbroken.carrier.field"],
    ]),
    [
      [128, "traceparent"],
      [65, "baggage"],
    ],
  );
});

test("a value that is no text is one malformed field, and of very many the first 64 are looked at", async () => {
  const odd = Array.from({ length: 40_000 }, (_, index) => ({ index }));
  process(payload({ baggage: odd as never }), () => undefined);
  const attributes = { "messaging.system": "kafka", "unbroken.carrier.field": "baggage" };
  assert.deepEqual(points(await measured(), "unbroken.carriers.malformed"), [[attributes, 65]]);
});

test("tracer and meter have the same name, version and schema", () => {
  const asked: unknown[] = [];
  const noted = (...all: unknown[]): void => void asked.push(all);
  metrics.disable();
  metrics.setGlobalMeterProvider({ getMeter: (...all) => (noted(...all), createNoopMeter()) });
  trace.disable();
  trace.setGlobalTracerProvider({ getTracer: (...all) => (noted(...all), new BasicTracerProvider().getTracer("x")) });
  process(payload(), () => undefined);
  const scope = ["unbroken", VERSION, { schemaUrl: "https://opentelemetry.io/schemas/1.44.0" }];
  assert.deepEqual(asked, [scope, scope]);
});

test("a system that the application names is the same on all metrics", async () => {
  process(payload({ traceparent: "x" }), () => undefined, { attributes: { "messaging.system": "redpanda" } });
  const systems = [...(await measured()).values()].flatMap(({ dataPoints }) =>
    dataPoints.map(({ attributes }) => attributes["messaging.system"]),
  );
  assert.deepEqual([...new Set(systems)], ["redpanda"]);
});

test("the attributes of a message are made once, for its span and its metrics", async () => {
  let asked = 0;
  const counted = {
    value: "{}",
    offset: "42",
    get key() {
      asked += 1;
      return "order-17";
    },
  };
  process({ topic: "orders", partition: 3, message: counted }, () => undefined);
  assert.equal(asked, 1);
  asked = 0;
  await traced(new KeepingProducer()).send({ topic: "orders", messages: [counted] });
  assert.equal(asked, 2); // once more for the copy that is sent
});

test("what differs between messages is on no metric", async () => {
  const send = traced(new KeepingProducer(() => [{ topicName: "orders", partition: 1, baseOffset: "7" }]));
  for (const key of ["1", "2", "3"]) {
    process(payload({ key }), () => undefined, { attributes: { "order.id": key } });
    await send.send({ topic: "orders", messages: [{ key, value: key, partition: Number(key) }] });
  }
  const series = [...(await measured()).values()].map(({ descriptor, dataPoints }) => [
    descriptor.name,
    dataPoints.length,
  ]);
  assert.deepEqual(
    series.filter(([, count]) => count !== 1),
    [],
  );
});

test("messages that are sent are counted and timed", async () => {
  await traced(new KeepingProducer()).send({ topic: "orders", messages: [{ value: "1" }, { value: "2" }] });
  const metrics = await measured();
  assert.deepEqual(points(metrics, "messaging.client.sent.messages"), [[sending, 2]]);
  assert.deepEqual(points(metrics, "messaging.client.operation.duration"), [[sending, 2]]);
});

test("a call with one span is timed once, and counts its messages", async () => {
  const producer = traced(new KeepingProducer(), { spans: "call" });
  await producer.send({ topic: "orders", messages: [{ value: "1" }, { value: "2" }] });
  const metrics = await measured();
  assert.deepEqual(points(metrics, "messaging.client.sent.messages"), [[sending, 2]]);
  assert.deepEqual(points(metrics, "messaging.client.operation.duration"), [[sending, 1]]);
});

test("a message that is refused is counted with its error", async () => {
  const producer = traced(new KeepingProducer(() => Promise.reject(new RangeError("too large"))));
  await producer.send({ topic: "orders", messages: [{ value: "1" }] }).catch(() => undefined);
  assert.deepEqual(points(await measured(), "messaging.client.sent.messages"), [
    [{ ...sending, "error.type": "RangeError" }, 1],
  ]);
});

test("the wait of a poll whose beginning is told is measured", async () => {
  receive({ topic: "orders", partition: 3, messages: [message()] }, () => undefined, { startTime: Date.now() });
  assert.deepEqual(points(await measured(), "messaging.client.operation.duration"), [
    [{ ...processing, "messaging.operation.name": "poll" }, 1],
  ]);
});

const raising = (): never => {
  throw new Error("telemetry is broken");
};

/** Uses everything that is measured, and returns what the handlers have returned. */
async function everything(): Promise<unknown[]> {
  const batch: MessageBatch = { topic: "orders", partition: 3, messages: [message({ traceparent: "x" })] };
  const producer = traced(new KeepingProducer(() => ["acknowledged"]));
  return [
    process(payload({ traceparent: "x" }), () => 7),
    receive(batch, () => 8, { startTime: Date.now() }),
    await producer.send({ topic: "orders", messages: [{ value: "1" }] }),
  ];
}

test("instruments that throw cost no message", async () => {
  const instrument = { add: raising, record: raising };
  const meter = { ...createNoopMeter(), createCounter: () => instrument, createHistogram: () => instrument };
  metrics.disable();
  metrics.setGlobalMeterProvider({ getMeter: () => meter });
  assert.deepEqual(await everything(), [7, 8, ["acknowledged"]]);
});

test("a meter provider that throws costs no message", async () => {
  metrics.disable();
  metrics.setGlobalMeterProvider({ getMeter: raising });
  assert.deepEqual(await everything(), [7, 8, ["acknowledged"]]);
});
