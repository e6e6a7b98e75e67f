// The probe with the KafkaJS-compatible API of @confluentinc/kafka-javascript, whose place INTEROP_CONFLUENT tells.

import { createRequire } from "node:module";

import { Client } from "./client.mjs";
import { broker, clientId, serve, start } from "./probe.mjs";

const { KafkaJS } = createRequire(`${process.env.INTEROP_CONFLUENT}/`)("@confluentinc/kafka-javascript");
const kafka = new KafkaJS.Kafka({
  "client.id": clientId,
  "bootstrap.servers": broker,
  log_level: 3,
});

async function subscribed(topic, group) {
  const consumer = kafka.consumer({
    "group.id": group,
    "auto.offset.reset": "earliest",
  });
  await consumer.connect();
  await consumer.subscribe({ topic });
  return consumer;
}

const finish = start(process.env.UNBROKEN_OTLP ?? "");
await serve(await new Client(kafka, subscribed).connect(), finish);
