// The same with stock code: a span for each message that begins a trace of its own.

import { SpanKind, trace } from "@opentelemetry/api";

import { kafka, ready, start, tell, topics, unwanted } from "../service.mjs";

const finish = start("shipping");
const tracer = trace.getTracer("shipping");
const consumer = kafka("shipping").consumer({ groupId: "shipping" });
await consumer.connect();
await consumer.subscribe({ topic: topics.paid, fromBeginning: true });
await consumer.run({
  eachBatch: async ({ batch }) => {
    for (const message of batch.messages) {
      const { id } = JSON.parse(message.value.toString());
      const span = tracer.startSpan("process paid", {
        kind: SpanKind.CONSUMER,
        attributes: { "order.id": id },
      });
      tell(id, span);
      span.end();
    }
  },
});
ready();
await unwanted();
await consumer.disconnect();
await finish();
