import { context, propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";

/** The propagators that are everybody's now. */
export const W3C = new CompositePropagator({
  propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
});

/** Counts the recorded spans that have ended, and keeps none of them. */
class Counting {
  ended = 0;
  onStart() {}
  onEnd() {
    this.ended += 1;
  }
  async forceFlush() {}
  async shutdown() {}
}

/** Returns the processor of an SDK with the default sampler and the W3C propagators. */
export function provide() {
  const spans = new Counting();
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [spans] }));
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  propagation.setGlobalPropagator(W3C);
  return spans;
}

/** Returns the context of a service that was called with this `traceparent`: a span of its own, sampled as it says. */
export function inside(traceparent) {
  const caller = propagation.extract(ROOT_CONTEXT, { traceparent });
  return trace.setSpan(caller, trace.getTracer("application").startSpan("application", {}, caller));
}
