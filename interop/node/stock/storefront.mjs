// The same with stock code: it injects where it sends, as it should.

import { context, propagation, SpanKind, trace } from "@opentelemetry/api";

import { kafka, ready, start, tell, topics, unwanted } from "../service.mjs";

const finish = start("storefront");
const tracer = trace.getTracer("storefront");
const producer = kafka("storefront").producer();
await producer.connect();
ready();
for (const id of process.env.INTEROP_ORDERS.split(",")) {
  await tracer.startActiveSpan(
    "POST /orders",
    { kind: SpanKind.SERVER, attributes: { "order.id": id } },
    async (span) => {
      await tracer.startActiveSpan("send orders", { kind: SpanKind.PRODUCER }, async (sending) => {
        const headers = {};
        propagation.inject(context.active(), headers);
        await producer.send({
          topic: topics.orders,
          messages: [{ key: id, value: JSON.stringify({ id }), headers }],
        });
        sending.end();
      });
      tell(id);
      span.end();
    },
  );
}
await unwanted();
await producer.disconnect();
await finish();
