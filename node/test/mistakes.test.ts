import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import {
  attached,
  bind,
  eachBatch,
  eachMessage,
  extract,
  forward,
  inject,
  process,
  receive,
  traced,
} from "../src/index.js";
import { message, payload, SPAN, TRACE, TRACEPARENT } from "./messages.js";
import { KeepingProducer } from "./producer.js";
import { recording, type Recorded } from "./telemetry.js";

let recorded: Recorded;
beforeEach(() => {
  recorded = recording();
});

const nothing = (): void => undefined;
const span = trace.wrapSpanContext({ traceId: TRACE, spanId: SPAN, traceFlags: 1 });
const batch = { topic: "orders", partition: 3, messages: [message({ traceparent: TRACEPARENT })] };
function* generating(): Generator<number> {
  yield 1;
}

describe("a mistake is told at once, with what to write instead", () => {
  const wrong: [string, () => unknown, RegExp][] = [
    ["bind of nothing", () => bind(null as never), /bind takes a function, not null/],
    ["bind of a promise", () => bind(Promise.resolve() as never), /the function that makes the promise/],
    ["bind of a generator function", () => bind(generating), /its body runs after the call/],
    ["bind in a span", () => bind(nothing, span as never), /trace\.setSpan\(context\.active\(\), span\)/],
    ["attached without a function", () => attached(ROOT_CONTEXT, undefined as never), /attached takes a function/],
    [
      "attached of a message",
      () => {
        attached(payload() as never, nothing);
      },
      /write extract\(message\)/,
    ],
    [
      "attached of null",
      () => {
        attached(null as never, nothing);
      },
      /attached takes a context, not null/,
    ],
    ["inject of a span", () => inject({}, span as never), /inject takes a context.*trace\.setSpan/],
    ["process without a handler", () => process(payload(), undefined as never), /process takes a function/],
    ["process with a generator function", () => process(payload(), generating), /its body runs after the call/],
    [
      "process with null for options",
      () => {
        process(payload(), nothing, null as never);
      },
      /process takes options, not null/,
    ],
    ["receive without a handler", () => receive(batch, undefined as never), /receive takes a function/],
    ["eachMessage without a handler", () => eachMessage(undefined as never), /eachMessage takes a function/],
    ["eachBatch with an object", () => eachBatch({} as never), /eachBatch takes a function, not an object of Object/],
    [
      "forward with an error",
      () => forward(payload(), new Error("no") as never),
      /write forward\(payload, \{ error \}\)/,
    ],
    ["traced of nothing", () => traced(undefined as never), /traced takes a producer, not undefined/],
    ["traced of a client", () => traced({ producer: nothing } as never), /write traced\(kafka\.producer\(\)\)/],
    ["extract of a batch", () => extract(batch as never), /not an array/],
    ["extract of what eachBatch is given", () => extract({ batch } as never), /not an array/],
    ["extract of messages", () => extract(batch.messages as never), /not an array/],
  ];
  for (const [what, call, told] of wrong) {
    test(what, () => {
      assert.throws(call, (error) => error instanceof TypeError && told.test(error.message));
      assert.deepEqual(recorded.spans(), []);
    });
  }
});

describe("a handler that was wrapped runs, whatever it is given", () => {
  for (const given of [undefined, null, 7, {}, { topic: "orders" }, { topic: "orders", message: null }]) {
    test(`one message: ${JSON.stringify(given)}`, () => {
      assert.equal(eachMessage((seen: unknown) => seen)(given as never), given);
      assert.deepEqual(recorded.spans(), []);
    });
  }

  const doubles = [{}, { batch: null }, { batch: { messages: [] } }, { batch: { topic: "orders", messages: [null] } }];
  for (const given of doubles) {
    test(`a batch: ${JSON.stringify(given)}`, () => {
      const seen = eachBatch((all) => [all.batch, all.process(message(), () => 8)])(given as never);
      assert.deepEqual(seen, [(given as { batch?: unknown }).batch, 8]);
      assert.deepEqual(recorded.spans(), []);
    });
  }

  test("nothing at all for a batch", () => {
    assert.deepEqual(eachBatch((all) => all.process(message(), () => 8))(undefined as never), 8);
  });
});

describe("a client that answers with something else than a promise", () => {
  for (const answer of [undefined, null, 7]) {
    test(`answers with ${String(answer)}, and its span ends`, () => {
      const double: { send(record: unknown): unknown; sendBatch(batch: unknown): unknown } = {
        send: () => answer,
        sendBatch: () => answer,
      };
      assert.equal(traced(double).send({ topic: "orders", messages: [{ value: "1" }] }), answer);
      assert.equal(recorded.spans().length, 1);
    });
  }

  test("gives what is no transaction", async () => {
    const double = Object.assign(new KeepingProducer(), { transaction: () => Promise.resolve(null) });
    assert.equal(await traced(double).transaction(), null);
  });
});

describe("what is not known is on no span", () => {
  const attributesOf = (): Record<string, unknown> => recorded.spans()[0]?.attributes ?? {};

  for (const offset of [
    undefined,
    null,
    "",
    "null",
    "undefined",
    "NaN",
    "-1",
    "1.5",
    "1e400",
    "99999999999999999999",
    {},
  ]) {
    test(`an offset of ${JSON.stringify(offset)}`, () => {
      const received = payload();
      process({ ...received, message: { ...received.message, offset: offset as never } }, nothing);
      assert.equal("messaging.kafka.offset" in attributesOf(), false);
    });
  }

  for (const partition of [undefined, null, "null", NaN, Infinity, -1, 1.5]) {
    test(`a partition of ${String(partition)}`, () => {
      process({ ...payload(), partition: partition as never }, nothing);
      assert.equal("messaging.destination.partition.id" in attributesOf(), false);
    });
  }

  test("what a consumer tells as null or undefined", () => {
    const options = { group: null, clientId: undefined, server: null, attributes: { tenant: undefined, order: null } };
    process(payload(), nothing, options as never);
    assert.deepEqual(
      Object.entries(attributesOf()).filter(([, value]) => value === null || value === undefined),
      [],
    );
  });

  test("what a broker answers without an offset", async () => {
    const told = [{ topicName: "orders", partition: -1, baseOffset: null }];
    await traced(new KeepingProducer(() => told)).send({ topic: "orders", messages: [{ value: "1" }] });
    const names = Object.keys(attributesOf());
    assert.equal(
      names.includes("messaging.kafka.offset") || names.includes("messaging.destination.partition.id"),
      false,
    );
  });

  test("nor in the source of a message that is forwarded", () => {
    const double = { topic: "orders", message: { value: null } };
    assert.equal(forward(double as never)["unbroken-source"], "orders");
  });
});

describe("a key reaches a span as every exporter takes it", () => {
  const keyOf = async (key: string): Promise<unknown> => {
    await traced(new KeepingProducer()).send({ topic: "orders", messages: [{ key, value: "1" }] });
    return recorded.span("send orders").attributes["messaging.kafka.message.key"];
  };

  test("without half of a surrogate pair", async () => {
    assert.equal(await keyOf("a\ud800b\udc00c"), "a?b?c");
  });

  test("without one at the end of what is kept", async () => {
    assert.equal(await keyOf(`${"k".repeat(1023)}\ud83d\udd11\ud800`), `${"k".repeat(1023)}\ud83d\udd11`);
  });

  test("as does the text of an error", () => {
    const error = new RangeError(`\udc00${"x".repeat(2 ** 20)}`);
    const failing = (): never => {
      throw error;
    };
    assert.throws(() => process(payload(), failing), error);
    assert.equal(recorded.spans()[0]?.status.message, `RangeError: ?${"x".repeat(1024 - 13)}`);
  });

  test("cut at 1024 characters", async () => {
    assert.equal(await keyOf("k".repeat(2 ** 20)), "k".repeat(1024));
  });
});
