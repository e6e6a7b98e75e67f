// Takes the orders: a root span each, as a web server makes one → Kafka `orders`, with kafkajs.

import { SpanKind, trace } from "@opentelemetry/api";
import { traced } from "unbroken";

import { kafka, ready, start, tell, topics, unwanted } from "./service.mjs";

const finish = start("storefront");
const tracer = trace.getTracer("storefront");
const producer = traced(kafka("storefront").producer());
await producer.connect();
ready();
for (const id of process.env.INTEROP_ORDERS.split(",")) {
  await tracer.startActiveSpan(
    "POST /orders",
    { kind: SpanKind.SERVER, attributes: { "order.id": id } },
    async (span) => {
      await producer.send({
        topic: topics.orders,
        messages: [{ key: id, value: JSON.stringify({ id }) }],
      });
      tell(id);
      span.end();
    },
  );
}
await unwanted();
await producer.disconnect();
await finish();
