// What every service of the chain in Node has: its settings, its telemetry, its life.

import { finished } from "node:stream/promises";

import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { Kafka, logLevel } from "kafkajs";

const suffix = process.env.INTEROP_SUFFIX ?? "";

export const topics = { orders: `orders${suffix}`, paid: `paid${suffix}` };

/** The Kafka client of a service; its start waits for a broker as long as that takes. */
export function kafka(name) {
  return new Kafka({
    clientId: name,
    brokers: [process.env.UNBROKEN_KAFKA],
    logLevel: logLevel.ERROR,
  });
}

/** Sends the spans of this service to every address of UNBROKEN_OTLP; the function that comes back sends the last of them. */
export function start(name) {
  const exporters = process.env.UNBROKEN_OTLP.split(",").map(
    (url) => new OTLPTraceExporter({ url: `${url}/v1/traces` }),
  );
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": name }),
    spanProcessors: exporters.map((exporter) => new BatchSpanProcessor(exporter, { scheduledDelayMillis: 200 })),
  });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(
    new CompositePropagator({
      propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
    }),
  );
  return () => provider.shutdown();
}

/** Tells the starter that the service takes messages. */
export function ready() {
  console.log("ready");
}

/** Tells the starter in which trace this order was met: that of the span, or of the current one. */
export function tell(order, span = trace.getActiveSpan()) {
  console.log(
    JSON.stringify({
      order,
      trace: span?.spanContext().traceId ?? "0".repeat(32),
    }),
  );
}

/** Resolves when the starter no longer wants the service: its standard input has ended. */
export async function unwanted() {
  await finished(process.stdin.resume());
}
