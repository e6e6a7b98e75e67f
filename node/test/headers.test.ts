import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { B3Propagator, B3InjectEncoding } from "@opentelemetry/propagator-b3";
import { JaegerPropagator } from "@opentelemetry/propagator-jaeger";
import { attached, configure, extract, forward, inject, process, UnknownCarrier, type Headers } from "../src/index.js";
import { recording, silent } from "./telemetry.js";
import { OTHER, OTHER_TRACE, payload, SPAN, TRACE, TRACEPARENT } from "./messages.js";

beforeEach(silent);

const traceIn = (headers: Headers): string | undefined => trace.getSpanContext(extract(headers))?.traceId;
const carried = extract({ traceparent: TRACEPARENT, tracestate: "foo=1", baggage: "tenant=blue;ttl=60" });

describe("extract", () => {
  test("reads text, octets and arrays of both alike", () => {
    for (const value of [
      TRACEPARENT,
      Buffer.from(TRACEPARENT),
      [TRACEPARENT],
      [Buffer.from(TRACEPARENT), TRACEPARENT],
    ]) {
      assert.equal(traceIn({ traceparent: value }), TRACE);
    }
  });

  test("reads octets that are no Buffer", () => {
    assert.equal(traceIn({ traceparent: new TextEncoder().encode(TRACEPARENT) as Buffer }), TRACE);
  });

  test("takes the last of several values", () => {
    assert.equal(traceIn({ traceparent: [Buffer.from(TRACEPARENT), Buffer.from(OTHER)] }), OTHER_TRACE);
  });

  test("takes a null among several values for an empty one", () => {
    assert.equal(traceIn({ traceparent: [TRACEPARENT, null] }), TRACE);
  });

  test("asks the policy in force what several values mean", () => {
    configure({ duplicates: "restart" });
    assert.equal(traceIn({ traceparent: [TRACEPARENT, OTHER] }), undefined);
  });

  test("reads a message, and what eachMessage is given", () => {
    const received = payload({ traceparent: TRACEPARENT });
    for (const source of [received, received.message]) {
      assert.equal(trace.getSpanContext(extract(source))?.traceId, TRACE);
    }
  });

  test("takes headers called message and headers for headers", () => {
    assert.equal(traceIn({ message: Buffer.from("1"), headers: ["2"], traceparent: TRACEPARENT }), TRACE);
  });

  test("of nothing is the root context", () => {
    for (const nothing of [null, undefined, {}, { id: "17" }]) assert.equal(extract(nothing), ROOT_CONTEXT);
  });

  test("refuses what is no object", () => {
    for (const wrong of [7, "traceparent", [["traceparent", TRACEPARENT]]]) {
      assert.throws(() => extract(wrong as never), UnknownCarrier);
    }
  });
});

describe("inject", () => {
  test("writes the context behind the application's headers", () => {
    assert.deepEqual(Object.entries(inject({ id: "17" }, carried)), [
      ["id", "17"],
      ["traceparent", TRACEPARENT],
      ["tracestate", "foo=1"],
      ["baggage", "tenant=blue;ttl=60"],
    ]);
  });

  test("returns a copy", () => {
    const given = Object.freeze({ k: Object.freeze(["1", "2"]) });
    assert.deepEqual(inject(given, carried)["k"], ["1", "2"]);
    assert.deepEqual(given, { k: ["1", "2"] });
  });

  test("keeps a header that is called __proto__ a header", () => {
    const given = JSON.parse('{"__proto__": "1"}') as Headers;
    assert.deepEqual(Object.keys(inject(given, carried)).slice(0, 2), ["__proto__", "traceparent"]);
  });

  test("refuses what is no object", () => {
    assert.throws(() => inject([] as never), UnknownCarrier);
  });

  test("survives a tracestate that throws", () => {
    const span = {
      traceId: TRACE,
      spanId: SPAN,
      traceFlags: 1,
      traceState: {
        serialize: () => {
          throw new Error("no");
        },
      },
    };
    assert.deepEqual(inject({ id: "17" }, trace.setSpanContext(ROOT_CONTEXT, span as never)), { id: "17" });
  });
});

describe("the state of a trace", () => {
  const state = trace.getSpanContext(extract({ traceparent: TRACEPARENT, tracestate: "0@x=1,foo=2" }))?.traceState;

  test("keeps a key that only level 2 allows", () => {
    assert.equal(state?.get("0@x"), "1");
  });

  test("sets a key in front, in a copy", () => {
    assert.equal(state?.set("foo", "3").serialize(), "foo=3,0@x=1");
    assert.equal(state?.serialize(), "0@x=1,foo=2");
  });

  test("has at most 32 members: a new one takes the place of the last", () => {
    const tracestate = Array.from({ length: 32 }, (_, index) => `k${index}=1`).join(",");
    const full = trace.getSpanContext(extract({ traceparent: TRACEPARENT, tracestate }))?.traceState;
    const members = full?.set("ot", "th:8").serialize().split(",");
    assert.deepEqual([members?.length, members?.[0], members?.at(-1)], [32, "ot=th:8", "k30=1"]);
  });

  test("takes no key that breaks the grammar", () => {
    assert.equal(state?.set("Foo", "3").serialize(), "0@x=1,foo=2");
  });

  test("loses a key in a copy", () => {
    assert.equal(state?.unset("0@x").serialize(), "foo=2");
  });
});

describe("a global propagator", () => {
  test("of the W3C pair leaves the grammar to us", () => {
    propagation.setGlobalPropagator(
      new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
    );
    assert.equal(inject({}, carried)["tracestate"], "foo=1");
  });

  test("of trace context alone carries no baggage", () => {
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    assert.deepEqual(Object.keys(inject({}, carried)), ["traceparent", "tracestate"]);
    assert.equal(propagation.getBaggage(extract({ baggage: "tenant=blue" })), undefined);
  });

  test("of baggage alone carries no trace", () => {
    propagation.setGlobalPropagator(new W3CBaggagePropagator());
    assert.deepEqual(inject({ traceparent: OTHER }, carried), { traceparent: OTHER, baggage: "tenant=blue;ttl=60" });
    assert.equal(traceIn({ traceparent: TRACEPARENT }), undefined);
  });

  const b3 = (): void => {
    propagation.setGlobalPropagator(new B3Propagator({ injectEncoding: B3InjectEncoding.SINGLE_HEADER }));
  };

  test("of B3 is used as it is, in both directions", () => {
    b3();
    const headers = inject({ id: "17", B3: "old" }, carried);
    assert.deepEqual(headers, { id: "17", b3: `${TRACE}-${SPAN}-1` });
    assert.equal(traceIn({ B3: Buffer.from(`${OTHER_TRACE}-${SPAN}-1`) }), OTHER_TRACE);
  });

  test("of B3 reads the last of several values", () => {
    b3();
    assert.equal(traceIn({ b3: [`${TRACE}-${SPAN}-1`, `${OTHER_TRACE}-${SPAN}-1`] }), OTHER_TRACE);
  });

  test("of B3 gives the parent of a message", () => {
    recording();
    b3();
    process(payload({ b3: `${TRACE}-${SPAN}-1` }), (span) => {
      assert.equal(span.spanContext().traceId, TRACE);
    });
  });

  test("of Jaeger is shown as much baggage as it can take, the newest, and finds its own header behind all", () => {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- still in use, and the one with a header for each member
    propagation.setGlobalPropagator(new JaegerPropagator());
    const many = Array.from({ length: 64_000 }, (_, index) => [`uberctx-${index}`, Buffer.from(`${index}`)] as const);
    const context = extract({ "uber-trace-id": Buffer.from(`${TRACE}:${SPAN}:0:1`), ...Object.fromEntries(many) });
    assert.equal(trace.getSpanContext(context)?.traceId, TRACE);
    const baggage = propagation.getBaggage(context);
    assert.equal(baggage?.getAllEntries().length, 128);
    assert.equal(baggage.getEntry("63999")?.value, "63999");
  });

  test("of B3 reads the newest of tens of thousands of values that is text", () => {
    b3();
    const values = [...Array<string>(70_000).fill(`${OTHER_TRACE}-${SPAN}-1`), `${TRACE}-${SPAN}-1`];
    assert.equal(traceIn({ B3: [...values, Buffer.from([0xff])] }), TRACE);
  });

  test("that throws costs no message", () => {
    const raising = (): never => {
      throw new Error("telemetry is broken");
    };
    propagation.setGlobalPropagator({ inject: raising, extract: raising, fields: () => ["x"] });
    assert.deepEqual(inject({ id: "17" }, carried), { id: "17" });
    assert.equal(traceIn({ x: "1" }), undefined);
  });
});

describe("forward", () => {
  test("refuses what is no message", () => {
    assert.throws(() => forward({} as never), TypeError);
  });

  test("names an error that has no text by its type", () => {
    const error = Object.assign(new Error("x"), { toString: null });
    Object.defineProperty(error, "message", {
      get: () => {
        throw new Error("no text");
      },
    });
    assert.equal(forward(payload(), { error })["unbroken-error"], "Error");
  });

  test("outside the block keeps to the message's own context", () => {
    const headers = attached(extract({ traceparent: OTHER }), () => forward(payload({ traceparent: TRACEPARENT })));
    assert.equal(headers["traceparent"], TRACEPARENT);
  });
});

describe("the policy", () => {
  test("comes back when the next one is put in force", () => {
    configure({ only: ["orders"] });
    assert.deepEqual(configure().only, ["orders"]);
  });

  test("refuses what it does not know", () => {
    for (const wrong of [{ correlation: "x" }, { duplicates: "x" }, { spans: 1 }, { only: "orders" }, { nothing: 1 }]) {
      assert.throws(() => configure(wrong as never), TypeError);
    }
  });

  test("that is refused leaves the one in force as it was", () => {
    recording();
    assert.throws(() => configure({ only: ["orders"], ignore: "x" as never }), TypeError);
    process(payload({}, "payments"), (span) => {
      assert.equal(span.isRecording(), true);
    });
  });

  test("matches destinations by glob", () => {
    recording();
    const covered = (pattern: string, topic: string): boolean => {
      configure({ only: [pattern] });
      return process(payload({}, topic), (span) => span.isRecording());
    };
    assert.deepEqual(
      [
        covered("orders.?", "orders.a"),
        covered("orders.?", "ordersxa"),
        covered("o[a-r]ders", "orders"),
        covered("o[!a-r]ders", "orders"),
        covered("[x", "[x"),
        covered("[z-ab]", "b"),
        covered("[z-a]", "a"),
        covered("*", ""),
      ],
      [true, false, true, false, true, true, false, true],
    );
  });
});
