// Writes and reads messages as it is told, one JSON object a line and one answer each; the program of the same name in
// Python says what is spoken.

import { createInterface } from "node:readline";

import { context, metrics, propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { forward, process as processed, receive } from "unbroken";

export const broker = process.env.UNBROKEN_KAFKA;
export const clientId = "probe";
export const facts = { clientId, server: broker };

/** What a handler that fails throws. */
class Poison extends Error {
  name = "Poison";
}

/** Installs an SDK that sends to this address, or to nobody; the function that comes back sends the last of it. */
export function start(otlp) {
  const resource = resourceFromAttributes({ "service.name": "node" });
  const tracers = new BasicTracerProvider({
    resource,
    spanProcessors: otlp ? [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${otlp}/v1/traces` }))] : [],
  });
  const readers = otlp
    ? [
        new PeriodicExportingMetricReader({
          exporter: new OTLPMetricExporter({ url: `${otlp}/v1/metrics` }),
          exportIntervalMillis: 600_000,
        }),
      ]
    : [];
  const meters = new MeterProvider({ resource, readers });
  trace.setGlobalTracerProvider(tracers);
  metrics.setGlobalMeterProvider(meters);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(
    new CompositePropagator({
      propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
    }),
  );
  return async () => {
    await tracers.shutdown();
    await meters.shutdown();
  };
}

/**
 * Answers every line of standard input.
 *
 * The client writes messages to a topic, `send(topic, messages, { isTraced })`, and gives that many payloads of
 * `eachMessage` from the start of a topic, `read(topic, count, group)`.
 */
export async function serve(client, finish) {
  const commands = { produce, raw, consume };
  console.log("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    let answer;
    try {
      answer = await commands[command.do](client, command);
    } catch (error) {
      console.error(error);
      answer = { error: String(error) };
    }
    console.log(JSON.stringify(answer));
  }
  await client.close();
  await finish();
}

async function produce(client, command) {
  const send = () => sendAll(client, command, true);
  await context.with(contextOf(command.context), async () => {
    if (command.span === null) return send();
    await trace.getTracer("probe").startActiveSpan(command.span, async (span) => {
      await send();
      span.end();
    });
  });
  return {};
}

async function raw(client, command) {
  await sendAll(client, command, false);
  return {};
}

async function sendAll(client, command, isTraced) {
  for (const { key, value, headers } of command.records) {
    await client.send(command.topic, { key, value, headers: grouped(headers) }, isTraced);
  }
}

async function consume(client, command) {
  const payloads = await client.read(command.topic, command.count, command.group);
  const options = { ...facts, group: command.group };
  const seen = [];
  const handleAll = async () => {
    for (const payload of payloads) await handle(client, command, payload, options, seen);
  };
  if (command.is_batch) await receive(payloads, handleAll, options);
  else await handleAll();
  return { seen };
}

async function handle(client, command, payload, options, seen) {
  try {
    await processed(
      payload,
      async () => {
        seen.push(current());
        const error = new Poison("no such order");
        if (command.then === "forward") {
          const { key, value } = payload.message;
          await client.send(command.to, { key, value, headers: forward(payload, { error }) }, true);
        }
        if (command.then !== "ok") throw error;
      },
      options,
    );
  } catch (error) {
    if (!(error instanceof Poison)) throw error;
  }
}

function current() {
  const span = trace.getActiveSpan();
  const found = span.spanContext();
  return {
    trace_id: found.traceId,
    parent_id: span.parentSpanContext?.spanId ?? null,
    flags: found.traceFlags.toString(16).padStart(2, "0"),
    tracestate: found.traceState?.serialize() ?? "",
    baggage: Object.fromEntries(
      (propagation.getActiveBaggage()?.getAllEntries() ?? []).map(([name, entry]) => [name, entry.value]),
    ),
  };
}

function contextOf(described) {
  if (described === null) return ROOT_CONTEXT;
  const { traceparent, tracestate } = described;
  const remote = new W3CTraceContextPropagator().extract(
    ROOT_CONTEXT,
    { ...(traceparent && { traceparent }), ...(tracestate && { tracestate }) },
    { get: (carrier, name) => carrier[name], keys: Object.keys },
  );
  const entries = Object.entries(described.baggage).map(([name, value]) => [name, { value }]);
  return propagation.setBaggage(remote, propagation.createBaggage(Object.fromEntries(entries)));
}

/** Headers as kafkajs takes them: a name that repeats has an array. */
function grouped(pairs) {
  const headers = {};
  for (const [name, value] of pairs) {
    headers[name] = name in headers ? [headers[name], value].flat() : value;
  }
  return headers;
}
