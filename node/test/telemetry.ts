import { context, metrics, propagation, trace, type Context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type MetricData,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
  type Sampler,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { configure } from "../src/index.js";

/** Telemetry that keeps what it is given. */
export interface Recorded {
  /** Returns the spans that have ended, in that order. */
  spans(): ReadableSpan[];
  /** Returns the span of this name. */
  span(name: string): ReadableSpan;
  /** Returns the spans whose name begins so, once as many have ended. */
  ended(count: number, name: string): Promise<ReadableSpan[]>;
}

/** Puts a tracer provider and a context manager in force, and the default policy. */
export function recording(options: { sampler?: Sampler; processors?: SpanProcessor[] } = {}): Recorded {
  silent();
  const exporter = new InMemorySpanExporter();
  const { processors = [], ...rest } = options;
  const waiting: (() => void)[] = [];
  const done = (): Promise<void> => Promise.resolve();
  const announcing: SpanProcessor = {
    onStart: () => undefined,
    onEnd: () => {
      for (const look of [...waiting]) look();
    },
    forceFlush: done,
    shutdown: done,
  };
  const provider = new BasicTracerProvider({
    ...rest,
    spanProcessors: [...processors, new SimpleSpanProcessor(exporter), announcing],
  });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const spans = (): ReadableSpan[] => exporter.getFinishedSpans();
  const span = (name: string): ReadableSpan => {
    const named = spans().filter((one) => one.name === name);
    const [found] = named;
    if (found === undefined || named.length > 1) {
      throw new Error(
        `${named.length} spans are called ${name}: ${spans()
          .map((one) => one.name)
          .join(", ")}`,
      );
    }
    return found;
  };
  const ended = (count: number, name: string): Promise<ReadableSpan[]> =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = spans().filter((one) => one.name.startsWith(name));
        if (found.length >= count) resolve(found);
      };
      waiting.push(look);
      look();
    });
  return { spans, span, ended };
}

/** Takes all telemetry out of force, and puts the default policy in. */
export function silent(): void {
  trace.disable();
  context.disable();
  metrics.disable();
  propagation.disable();
  configure();
}

/** Puts a meter provider in force; the function that is returned collects what was measured, by name. */
export function measuring(): () => Promise<Map<string, MetricData>> {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 31 - 1 });
  const provider = new MeterProvider({ readers: [reader] });
  metrics.setGlobalMeterProvider(provider);
  return async () => {
    await provider.forceFlush();
    const [collected] = exporter.getMetrics().slice(-1);
    await provider.shutdown();
    const found = collected?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
    return new Map(found.map((metric) => [metric.descriptor.name, metric]));
  };
}

/** Returns what `traceparent` says for the span that is current in the context. */
export function traceparentOf(current: Context): string {
  const found = trace.getSpanContext(current);
  return found === undefined ? "" : `00-${found.traceId}-${found.spanId}-0${found.traceFlags}`;
}
