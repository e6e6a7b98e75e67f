// The probe with kafkajs.

import { Kafka, logLevel } from "kafkajs";

import { Client } from "./client.mjs";
import { broker, clientId, serve, start } from "./probe.mjs";

const kafka = new Kafka({
  clientId,
  brokers: [broker],
  logLevel: logLevel.ERROR,
});

async function subscribed(topic, group) {
  const consumer = kafka.consumer({ groupId: group });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  return consumer;
}

const finish = start(process.env.UNBROKEN_OTLP ?? "");
await serve(await new Client(kafka, subscribed).connect(), finish);
