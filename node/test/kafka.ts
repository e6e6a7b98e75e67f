import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { beforeEach, describe, test } from "node:test";
import { propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import type { EachBatchPayload, EachMessagePayload, IHeaders } from "kafkajs";
import { attached, eachBatch, eachMessage, extract, forward, inject, traced } from "../src/index.js";
import { consuming, producing, topicOf, type TestedClient } from "./clients.js";
import { recording, type Recorded } from "./telemetry.js";
import { OTHER, OTHER_TRACE, SPAN, TRACE, TRACEPARENT } from "./messages.js";

const ambient = extract({ traceparent: TRACEPARENT });
// KafkaJS gives up at once on what it takes for a mistake of the program, such as a TypeError.
class Poison extends Error {}

const current = (): string | undefined => trace.getActiveSpan()?.spanContext().traceId;
const texts = (headers: IHeaders | undefined): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(String) : String(value),
    ]),
  );

/** The scenarios that hold on a real Kafka, for a client. */
export function scenarios(client: TestedClient): void {
  const options = { skip: client.missing, timeout: 40_000 };
  let recorded: Recorded;

  describe(`with ${client.name} on Kafka`, () => {
    beforeEach(() => {
      recorded = recording();
    });

    test("a trace goes from a producer through a topic into the handler", options, async ({ signal }) => {
      const topic = await topicOf(client);
      await producing(traced(client.producer(), { clientId: "shop" }), (producer) =>
        attached(ambient, () => producer.send({ topic, messages: [{ key: "order-17", value: "{}" }] })),
      );
      let seen: string | undefined;
      const handler = eachMessage(
        async () => {
          await setImmediate();
          seen = current();
        },
        { group: "billing" },
      );
      const [span] = await consuming(client, signal, [topic], { eachMessage: handler }, recorded.ended(1, "process"));
      const send = recorded.span(`send ${topic}`);
      assert.equal(seen, TRACE);
      assert.equal(send.parentSpanContext?.spanId, SPAN);
      assert.equal(span?.parentSpanContext?.spanId, send.spanContext().spanId);
      for (const { attributes } of [send, span]) {
        assert.deepEqual(
          [attributes["messaging.destination.partition.id"], attributes["messaging.kafka.offset"]],
          ["0", 0],
        );
        assert.equal(attributes["messaging.kafka.message.key"], "order-17");
      }
      assert.equal(span.attributes["messaging.consumer.group.name"], "billing");
    });

    test("a name that repeats is an array on both sides of the wire", options, async ({ signal }) => {
      const topic = await topicOf(client);
      const headers = { traceparent: [TRACEPARENT, OTHER], k: ["1", "2"], id: "17" };
      await producing(client.producer(), (producer) => producer.send({ topic, messages: [{ value: "{}", headers }] }));
      let received: IHeaders | undefined;
      const handler = eachMessage<EachMessagePayload>(({ message }) => {
        received = message.headers;
        assert.equal(current(), OTHER_TRACE);
        return Promise.resolve();
      });
      const [span] = await consuming(client, signal, [topic], { eachMessage: handler }, recorded.ended(1, "process"));
      assert.deepEqual(texts(received), headers);
      assert.deepEqual(
        span?.links.map((link) => link.context.traceId),
        [OTHER_TRACE, TRACE],
      );
      assert.equal(span.status.message, undefined);
    });

    test("a traced producer replaces: on the wire there is one traceparent", options, async ({ signal }) => {
      const topic = await topicOf(client);
      const headers = { Traceparent: [TRACEPARENT, OTHER], traceparent: OTHER, k: ["1", "2"], id: Buffer.from("17") };
      await producing(traced(client.producer()), (producer) =>
        producer.send({ topic, messages: [{ value: "{}", headers }] }),
      );
      const { traceId, spanId } = recorded.span(`send ${topic}`).spanContext();
      const [received] = await receivedFrom(signal, topic, 1);
      assert.deepEqual(texts(received), { k: ["1", "2"], id: "17", traceparent: `00-${traceId}-${spanId}-01` });
    });

    test("baggage beyond ASCII arrives", options, async ({ signal }) => {
      const topic = await topicOf(client);
      const baggage = propagation.createBaggage({ tenant: { value: "Ana María €" } });
      const headers = inject({}, propagation.setBaggage(ROOT_CONTEXT, baggage));
      await producing(client.producer(), (producer) => producer.send({ topic, messages: [{ value: "{}", headers }] }));
      const [received] = await receivedFrom(signal, topic, 1);
      assert.equal(propagation.getBaggage(extract(received))?.getEntry("tenant")?.value, "Ana María €");
    });

    test("sendBatch has a span for each message, and each message its own", options, async ({ signal }) => {
      const [orders, payments] = [await topicOf(client), await topicOf(client)];
      await producing(traced(client.producer()), (producer) =>
        producer.sendBatch({
          topicMessages: [
            { topic: orders, messages: [{ value: "1" }, { value: "2" }] },
            { topic: payments, messages: [{ value: "3" }] },
          ],
        }),
      );
      const sent = recorded.spans().map((span) => span.spanContext().traceId);
      const received = [...(await receivedFrom(signal, orders, 2)), ...(await receivedFrom(signal, payments, 1))];
      assert.deepEqual(
        received.map((headers) => trace.getSpanContext(extract(headers))?.traceId),
        sent,
      );
    });

    test("a transaction is traced, and sends its messages once", options, async ({ signal }) => {
      const topic = await topicOf(client);
      await producing(traced(client.producer(`node-${topic}`)), async (producer) => {
        const transaction = await producer.transaction();
        await transaction.send({ topic, messages: [{ value: "{}", headers: { traceparent: TRACEPARENT } }] });
        await transaction.commit();
      });
      const span = recorded.span(`send ${topic}`);
      const [received] = await receivedFrom(signal, topic, 1);
      assert.deepEqual(texts(received), { traceparent: `00-${TRACE}-${span.spanContext().spanId}-01` });
    });

    test("a transaction that is aborted leaves no span open", options, async () => {
      const topic = await topicOf(client);
      await producing(traced(client.producer(`node-${topic}`)), async (producer) => {
        const transaction = await producer.transaction();
        await transaction.send({ topic, messages: [{ value: "{}" }] });
        await transaction.abort();
      });
      assert.equal(recorded.span(`send ${topic}`).ended, true);
    });

    test("a tombstone is one on both spans", options, async ({ signal }) => {
      const topic = await topicOf(client);
      await producing(traced(client.producer()), (producer) =>
        producer.send({ topic, messages: [{ key: "order-17", value: null }] }),
      );
      const handler = eachMessage(() => Promise.resolve());
      await consuming(client, signal, [topic], { eachMessage: handler }, recorded.ended(1, "process"));
      assert.deepEqual(
        recorded.spans().map((span) => span.attributes["messaging.kafka.message.tombstone"]),
        [true, true],
      );
    });

    test("a batch is linked to each message, and each message is in its own trace", options, async ({ signal }) => {
      const topic = await topicOf(client);
      const headers = [{ traceparent: TRACEPARENT }, { traceparent: OTHER }];
      await producing(client.producer(), (producer) =>
        producer.send({ topic, messages: headers.map((one) => ({ value: "{}", headers: one })) }),
      );
      const seen: (string | undefined)[] = [];
      const handler = eachBatch<EachBatchPayload>(async ({ batch, process, ...client }) => {
        for (const message of batch.messages) {
          await process(message, async () => {
            await setImmediate();
            seen.push(current());
          });
          client.resolveOffset(message.offset);
          await client.heartbeat();
        }
      });
      await consuming(client, signal, [topic], { eachBatch: handler }, recorded.ended(2, "process"));
      assert.deepEqual(seen, [TRACE, OTHER_TRACE]);
      const polls = recorded.spans().filter((span) => span.name === `poll ${topic}`);
      const linked = polls.flatMap((span) => span.links.map((link) => link.context.traceId));
      assert.deepEqual(linked, [TRACE, OTHER_TRACE]);
    });

    test("three attempts and the dead letter are one trace, with one traceparent", options, async ({ signal }) => {
      const [orders, dead] = [await topicOf(client), await topicOf(client)];
      await producing(client.producer(), (producer) =>
        producer.send({ topic: orders, messages: [{ value: "{}", headers: { traceparent: TRACEPARENT, id: "17" } }] }),
      );
      await producing(traced(client.producer()), async (producer) => {
        let attempts = 0;
        const handler = eachMessage<EachMessagePayload>(async (payload) => {
          const error = new Poison("schema 7");
          attempts += 1;
          if (attempts < 3) throw error;
          const { value, key } = payload.message;
          await producer.send({ topic: dead, messages: [{ key, value, headers: forward(payload, { error }) }] });
        });
        await consuming(client, signal, [orders], { eachMessage: handler }, recorded.ended(3, "process"));
      });
      const traces = new Set(recorded.spans().map((span) => span.spanContext().traceId));
      assert.deepEqual([...traces], [TRACE]);
      const [received] = await receivedFrom(signal, dead, 1);
      assert.deepEqual(texts(received), {
        id: "17",
        "unbroken-origin": TRACEPARENT,
        "unbroken-source": `${orders}/0/0`,
        "unbroken-attempt": "1",
        "unbroken-error": "Poison: schema 7",
        traceparent: `00-${TRACE}-${recorded.span(`send ${dead}`).spanContext().spanId}-01`,
      });
    });

    test("messages of several partitions that are handled at once keep apart", options, async ({ signal }) => {
      const topic = await topicOf(client, 4);
      const ids = Array.from({ length: 40 }, (_, index) => (index + 1).toString(16).padStart(32, "0"));
      await producing(client.producer(), (producer) =>
        producer.send({
          topic,
          messages: ids.map((id, index) => ({
            value: id,
            partition: index % 4,
            headers: { traceparent: `00-${id}-${SPAN}-01` },
          })),
        }),
      );
      const mixed: string[] = [];
      const handler = eachMessage(async ({ message }) => {
        for (let turn = 0; turn < 5; turn += 1) await setImmediate();
        if (current() !== String(message.value)) mixed.push(String(message.value));
      });
      const run = { eachMessage: handler, partitionsConsumedConcurrently: 4 };
      const spans = await consuming(client, signal, [topic], run, recorded.ended(40, "process"));
      assert.deepEqual(mixed, []);
      assert.deepEqual(spans.map((span) => span.spanContext().traceId).sort(), ids);
    });

    test("what the client refuses is on the span, and comes out of the call", options, async () => {
      const topic = await topicOf(client);
      const value = Buffer.alloc(2_000_000);
      await producing(traced(client.producer()), (producer) =>
        assert.rejects(producer.send({ topic, messages: [{ value }] })),
      );
      const type = recorded.span(`send ${topic}`).attributes["error.type"];
      assert.match(String(type), /^(KafkaJS\w*|LibrdKafkaError|Error)$/);
    });

    async function receivedFrom(signal: AbortSignal, topic: string, count: number): Promise<(IHeaders | undefined)[]> {
      const received: (IHeaders | undefined)[] = [];
      let enough: (() => void) | undefined;
      const until = new Promise<void>((resolve) => (enough = resolve));
      const collect = async ({ message }: { message: { headers?: IHeaders } }): Promise<void> => {
        received.push(message.headers);
        if (received.length === count) enough?.();
        await Promise.resolve();
      };
      await consuming(client, signal, [topic], { eachMessage: collect }, until);
      return received;
    }
  });
}
