import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import {
  baggageEntryMetadataFromString,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type SpanContext,
} from "@opentelemetry/api";
import { AlwaysOnSampler, type ReadableSpan } from "@opentelemetry/sdk-trace-base";
import {
  attached,
  configure,
  extract,
  forward,
  inject,
  process,
  traced,
  type Headers,
  type MessagePayload,
} from "../src/index.js";
import { originOf } from "../src/propagation/context.js";
import { active } from "../src/propagation/current.js";
import { read } from "../src/propagation/read.js";
import { KeepingProducer } from "./producer.js";
import { recording, silent, traceparentOf, type Recorded } from "./telemetry.js";
import {
  grouped,
  headersOf,
  octetsOf,
  PACKAGE,
  vectors,
  wireOf,
  type Carried,
  type ExtractVector,
  type ForwardVector,
  type Identity,
  type InjectVector,
  type ProcessVector,
  type SendVector,
  type WireMessage,
} from "./vectors.js";

const FIELDS = ["traceparent", "tracestate", "baggage"];
const RECEIVED = { destination: "orders", partition: 3, offset: 42 };
const PLACEHOLDER = base64("00-{trace_id}-{span_id}-{flags}");
const results: Record<string, Record<string, string>> = {};

/** Runs a test for each vector of a file and remembers how it ended, for the table of all languages. */
function each<V extends { readonly id: string }>(
  file: string,
  all: readonly V[],
  run: (vector: V) => void | Promise<void>,
): void {
  describe(file, () => {
    const outcome: Record<string, string> = (results[file] = {});
    for (const vector of all) {
      test(vector.id, async () => {
        try {
          await run(vector);
          outcome[vector.id] = "ok";
        } catch (error) {
          outcome[vector.id] = `differs: ${(error as Error).message.split("\n").slice(0, 3).join(" ")}`;
          throw error;
        }
      });
    }
  });
}

after(() => {
  silent();
  mkdirSync(path.join(PACKAGE, "build"), { recursive: true });
  writeFileSync(path.join(PACKAGE, "build", "conformance.json"), `${JSON.stringify(results, null, 2)}\n`);
});

let recorded: Recorded;
before(silent);

each("extract", vectors<ExtractVector>("extract"), (vector) => {
  const { expect, duplicates } = vector;
  const headers = headersOf(vector.headers);
  const carried = read(headers ?? {}, duplicates);
  const origin = originOf(headers ?? {}, duplicates, ROOT_CONTEXT);
  const context = extract(headers, { duplicates });
  const spanContext = trace.getSpanContext(context);
  assert.deepEqual(
    {
      outcome: spanContext === undefined ? "root" : "parent",
      ...shown(spanContext),
      tracestate: spanContext?.traceState?.serialize() ?? null,
      baggage: membersIn(context),
      links: origin.others.map(shown),
      malformed: FIELDS.flatMap((field) => Array<string>(carried.malformed.get(field) ?? 0).fill(field)),
    },
    { ...expect, baggage: new Map(Object.entries(expect.baggage)) },
  );
});

each("inject", vectors<InjectVector>("inject"), (vector) => {
  let context =
    vector.context.trace_id === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, spanContextOf(vector.context));
  let baggage = propagation.createBaggage();
  for (const { name, value, properties } of vector.context.baggage) {
    baggage = baggage.setEntry(name, { value, metadata: baggageEntryMetadataFromString(properties) });
  }
  if (vector.context.baggage.length > 0) context = propagation.setBaggage(context, baggage);
  const headers = headersOf(vector.headers);
  assert.deepEqual(wireOf(inject(headers, context)), grouped(vector.expect.headers));
  assert.deepEqual(headers, headersOf(vector.headers));
});

each("process", vectors<ProcessVector>("process"), (vector) => {
  recorded = recording({ sampler: new AlwaysOnSampler() });
  const { expect, message } = vector;
  configure(vector.policy);
  const ambient = ambientOf(vector);
  const error = vector.error === null ? null : errorOf(vector.error, "");
  const { current, baggage, thrown, after } = attached(ambient, () => handled(message, error));
  assert.equal(thrown, error);
  assert.equal(after, ambient);
  assert.deepEqual(baggage, expect.baggage);
  if (expect.span === null) {
    assert.deepEqual(recorded.spans(), []);
    assert.deepEqual(current === undefined ? null : ids(current), expect.current);
  } else {
    const [span, ...more] = recorded.spans();
    assert.ok(span !== undefined && more.length === 0);
    assert.deepEqual(shownSpan(span, knownTo({ ...vector, ...vector.message })), {
      ...expect.span,
      links: inOrder(expect.span.links),
    });
    assert.deepEqual(current, span.spanContext());
  }
});

each("send", vectors<SendVector>("send"), async (vector) => {
  recorded = recording({ sampler: new AlwaysOnSampler() });
  const { expect, destination, processing } = vector;
  configure(vector.policy);
  const headers = headersOf(vector.headers);
  const client = new KeepingProducer();
  let processSpan: string | undefined;
  const send = async (): Promise<void> => {
    processSpan = trace.getSpanContext(active())?.spanId;
    await traced(client).send({ topic: destination, messages: [{ value: "{}", ...(headers && { headers }) }] });
  };
  await attached(ambientOf(vector), () =>
    processing === null ? send() : process(payloadOf({ ...RECEIVED, ...processing }), send),
  );
  const [span, ...more] = recorded.spans().filter(({ kind }) => kind !== SpanKind.CONSUMER);
  assert.deepEqual(more, []);
  if (expect.span === null) {
    assert.equal(span, undefined);
  } else {
    assert.ok(span !== undefined);
    const { name, kind, parent, trace: ofTrace, tracestate, links } = shownSpan(span, knownTo(vector));
    const isProcessed = processing !== null && span.parentSpanContext?.spanId === processSpan;
    assert.deepEqual(
      { name, kind, parent: isProcessed ? "process span" : parent, trace: ofTrace, tracestate, links },
      { ...expect.span, links: inOrder(expect.span.links) },
    );
  }
  const own = span === undefined ? "" : traceparentOf(trace.setSpanContext(ROOT_CONTEXT, span.spanContext()));
  const [sent = {}] = client.headers();
  assert.deepEqual(
    wireOf(sent as Headers),
    grouped(expect.headers).map(([header, value]) => [header, value === PLACEHOLDER ? base64(own) : value]),
  );
  assert.deepEqual(headers, headersOf(vector.headers));
});

each("forward", vectors<ForwardVector>("forward"), (vector) => {
  recording();
  const payload = payloadOf(vector.message);
  const { current, error } = vector;
  const call = (): ReturnType<typeof forward> => {
    const context = current === null ? active() : trace.setSpanContext(active(), spanContextOf(current));
    const options = error === null ? {} : { error: errorOf(error.type, error.message) };
    return attached(context, () => forward(payload, options));
  };
  const headers = attached(ROOT_CONTEXT, () => (vector.block ? process(payload, call) : call()));
  assert.deepEqual(wireOf(headers), grouped(vector.expect.headers));
  assert.deepEqual(payload.message.headers, headersOf(vector.message.headers));
});

function handled(message: WireMessage, error: Error | null) {
  let current: SpanContext | undefined;
  let baggage: Record<string, string> = {};
  let thrown: unknown = null;
  const options = { group: message.group ?? undefined, clientId: message.client_id ?? undefined };
  try {
    process(
      payloadOf(message),
      () => {
        current = trace.getSpanContext(active());
        baggage = Object.fromEntries(
          propagation
            .getBaggage(active())
            ?.getAllEntries()
            .map(([name, { value }]) => [name, value]) ?? [],
        );
        if (error !== null) throw error;
      },
      options,
    );
  } catch (caught) {
    thrown = caught;
  }
  return { current, baggage, thrown, after: active() };
}

function ambientOf({ ambient }: Pick<ProcessVector, "ambient">): Context {
  if (ambient === null) return ROOT_CONTEXT;
  let context = ambient.traceparent === null ? ROOT_CONTEXT : extract({ traceparent: ambient.traceparent });
  if (Object.keys(ambient.baggage).length > 0) {
    const entries = Object.entries(ambient.baggage).map(([name, value]) => [name, { value }] as const);
    context = propagation.setBaggage(context, propagation.createBaggage(Object.fromEntries(entries)));
  }
  return context;
}

function payloadOf(message: WireMessage): MessagePayload {
  const headers = headersOf(message.headers);
  return {
    topic: message.destination,
    partition: message.partition,
    message: { key: octetsOf(message.key), value: octetsOf(message.value), offset: message.offset.toString(), headers },
  };
}

/** Returns an error of this type; one that JavaScript does not have is a class of that name. */
function errorOf(type: string, message: string): Error {
  const error = new Error(message);
  error.name = type;
  return error;
}

function spanContextOf(vector: Carried): SpanContext {
  const { trace_id, span_id, flags, tracestate } = vector;
  // OpenTelemetry's own state knows level 1 only.
  const carried = extract({ traceparent: `00-${"1".repeat(32)}-${"1".repeat(16)}-01`, tracestate: tracestate ?? "" });
  const traceState = trace.getSpanContext(carried)?.traceState;
  return {
    traceId: trace_id ?? "",
    spanId: span_id ?? "",
    traceFlags: Number.parseInt(flags ?? "0", 16),
    ...(traceState === undefined ? {} : { traceState }),
  };
}

function membersIn(context: Context): Map<string, { value: string; properties: string }> {
  const entries = propagation.getBaggage(context)?.getAllEntries() ?? [];
  return new Map(entries.map(([name, { value, metadata }]) => [name, { value, properties: String(metadata ?? "") }]));
}

function shown(spanContext: SpanContext | undefined): Identity {
  if (spanContext === undefined) return { trace_id: null, span_id: null, flags: null };
  return { ...ids(spanContext), flags: spanContext.traceFlags.toString(16).padStart(2, "0") };
}

function ids({ traceId, spanId }: SpanContext): Identity {
  return { trace_id: traceId, span_id: spanId };
}

/** Returns the ids of the traces that are known before the span is made. */
function knownTo(vector: Pick<SendVector, "ambient" | "headers"> & Partial<Pick<SendVector, "processing">>): unknown[] {
  const known: unknown[] = [trace.getSpanContext(ambientOf(vector))?.traceId];
  for (const wire of [vector.headers, vector.processing?.headers ?? null]) {
    const carried = read(headersOf(wire) ?? {});
    known.push(...[carried.parent, ...carried.others].map((one) => one?.traceId));
  }
  return known;
}

function shownSpan(span: ReadableSpan, known: readonly unknown[]) {
  const { traceId, traceState } = span.spanContext();
  const parent = span.parentSpanContext;
  const shownTrace =
    parent === undefined
      ? known.includes(traceId)
        ? "known"
        : "new"
      : parent.traceId === traceId
        ? "same as parent"
        : "another";
  return {
    name: span.name,
    kind: SpanKind[span.kind],
    parent: parent === undefined ? null : ids(parent),
    trace: shownTrace,
    tracestate: traceState?.serialize() ?? null,
    links: inOrder(span.links.map((link) => ids(link.context))),
    attributes: span.attributes,
    status: SpanStatusCode[span.status.code].toLowerCase(),
  };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

function inOrder(links: readonly Identity[]): Identity[] {
  const key = (link: Identity): string => `${link.trace_id ?? ""}${link.span_id ?? ""}`;
  return [...links].sort((one, other) => (key(one) < key(other) ? -1 : 1));
}
