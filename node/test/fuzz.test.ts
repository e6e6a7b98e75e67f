import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { diag, propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import fc from "fast-check";
import { extract, forward, inject, process, type Headers } from "../src/index.js";
import { originOf } from "../src/propagation/context.js";
import { read } from "../src/propagation/read.js";
import { recording, silent } from "./telemetry.js";
import { payload, TRACEPARENT } from "./messages.js";

const RUNS = { numRuns: 2000 };

/** What telemetry has survived: it hides from the application what would make these tests fail. */
const survived: unknown[] = [];
const quiet = (): void => undefined;

beforeEach(() => {
  silent();
  survived.length = 0;
  diag.setLogger({ error: (...all) => survived.push(all), warn: quiet, info: quiet, debug: quiet, verbose: quiet });
});

afterEach(() => {
  diag.disable();
  assert.deepEqual(survived, []);
});

// Close to the grammar, where its edges are; and far from it.
const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({
    unit: fc.constantFrom(...Array.from("0123456789abcdefF-g ")),
    minLength: length - 1,
    maxLength: length + 1,
  });
const traceparent = fc
  .tuple(fc.constantFrom("00", "01", "ff", "0"), hex(32), hex(16), hex(2), fc.constantFrom("", "-", "-x", " "))
  .map(([version, traceId, spanId, flags, rest]) => `${version}-${traceId}-${spanId}-${flags}${rest}`);
const member = fc.string({ unit: fc.constantFrom(...Array.from("ab1=;,% \t@_*/é\u0000\ud800")), maxLength: 24 });
const members = fc.array(member, { maxLength: 80 }).map((texts) => texts.join(","));
const octets = fc.uint8Array({ maxLength: 64 }).map((array) => Buffer.from(array));
const text = fc.oneof(fc.constant(TRACEPARENT), traceparent, members, fc.string());
const value = fc.oneof(
  text,
  text.map((one) => Buffer.from(one)),
  octets,
  fc.constant(null),
);
const anything = fc.oneof({ weight: 8, arbitrary: value }, { weight: 1, arbitrary: fc.anything() });
const name = fc.oneof(
  fc.constantFrom("traceparent", "TraceParent", "tracestate", "Tracestate", "baggage", "BAGGAGE", "ce_traceparent"),
  fc.constantFrom("ce_tracestate", "unbroken-origin", "unbroken-attempt", "UNBROKEN-SOURCE", "__proto__", "id", ""),
  fc.string(),
);
const headers = fc
  .array(fc.tuple(name, fc.oneof(anything, fc.array(anything, { maxLength: 4 }))), { maxLength: 12 })
  .map((entries) => Object.fromEntries(entries) as Headers);

test("whatever headers hold, they are read", () => {
  fc.assert(
    fc.property(headers, fc.constantFrom("last" as const, "restart" as const), (given, duplicates) => {
      read(given, duplicates);
      extract(given, { duplicates });
    }),
    RUNS,
  );
});

test("whatever headers hold, the message is processed and forwarded", () => {
  recording();
  fc.assert(
    fc.property(headers, (given) => {
      const received = payload(given);
      assert.equal(
        process(received, () => 7),
        7,
      );
      process(received, () => forward(received, { error: new Error("x") }));
      forward(received);
    }),
    { numRuns: 500 },
  );
});

test("whatever headers hold, what is injected is read back, once", () => {
  const context = extract({ traceparent: TRACEPARENT, tracestate: "foo=1" });
  fc.assert(
    fc.property(headers, (given) => {
      const { parent, others, malformed } = read(inject(given, context));
      assert.equal(parent?.traceId, trace.getSpanContext(context)?.traceId);
      assert.deepEqual([others, malformed.size], [[], 0]);
    }),
    RUNS,
  );
});

test("what the application has written beside the fields is kept, byte for byte", () => {
  const own = fc.dictionary(
    fc.string().map((one) => `x-${one}`),
    octets,
  );
  fc.assert(
    fc.property(own, (given) => {
      const kept = Object.entries(inject(given, extract({ traceparent: TRACEPARENT }))).slice(0, -1);
      assert.deepEqual(kept, Object.entries(given));
    }),
    RUNS,
  );
});

test("baggage of any text is read back as it was", () => {
  const entries = fc.dictionary(
    fc.string({ minLength: 1, unit: "grapheme" }),
    fc.string({ unit: "grapheme", maxLength: 40 }),
    { maxKeys: 8, noNullPrototype: true },
  );
  fc.assert(
    fc.property(entries, (given) => {
      let baggage = propagation.createBaggage();
      for (const [key, each] of Object.entries(given)) baggage = baggage.setEntry(key, { value: each });
      const back = propagation.getBaggage(extract(inject({}, propagation.setBaggage(ROOT_CONTEXT, baggage))));
      assert.deepEqual(back?.getAllEntries().map(([key, entry]) => [key, entry.value]) ?? [], Object.entries(given));
    }),
    RUNS,
  );
});

test("a header of a mebibyte of white space or commas is read in linear time", () => {
  // Quadratic, each of these would take minutes.
  for (const filler of [" ", ",", "=", ";", "a=,", "\t"]) {
    const long = filler.repeat(2 ** 20 / filler.length);
    for (const field of ["traceparent", "tracestate", "baggage"]) {
      originOf({ traceparent: TRACEPARENT, [field]: `a${long}b` }, "last", ROOT_CONTEXT);
    }
  }
});

test("a hundred thousand values of one header are read", () => {
  const many = Array<string>(100_000).fill(TRACEPARENT);
  assert.equal(read({ traceparent: many, baggage: many, tracestate: many }).others.length, 0);
});
