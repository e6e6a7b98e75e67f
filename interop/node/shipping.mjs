// Ships what was paid: Kafka `paid` in batches, with kafkajs.

import { eachBatch } from "unbroken";

import { kafka, ready, start, tell, topics, unwanted } from "./service.mjs";

const finish = start("shipping");
const consumer = kafka("shipping").consumer({ groupId: "shipping" });
await consumer.connect();
await consumer.subscribe({ topic: topics.paid, fromBeginning: true });
await consumer.run({
  eachBatch: eachBatch(
    async ({ batch, process }) => {
      for (const message of batch.messages) {
        await process(message, async () => tell(JSON.parse(message.value.toString()).id));
      }
    },
    { group: "shipping" },
  ),
});
ready();
await unwanted();
await consumer.disconnect();
await finish();
