// The probe with the KafkaJS-compatible API of @confluentinc/kafka-javascript, whose place INTEROP_CONFLUENT tells.

import { createRequire } from "node:module";

import { traced } from "unbroken";

import { broker, clientId, facts, serve, start } from "./probe.mjs";

const { KafkaJS } = createRequire(`${process.env.INTEROP_CONFLUENT}/`)("@confluentinc/kafka-javascript");
const kafka = new KafkaJS.Kafka({
  "client.id": clientId,
  "bootstrap.servers": broker,
  log_level: 3,
});

class Client {
  #plain = kafka.producer();
  #traced = traced(kafka.producer(), facts);

  async connect() {
    await this.#plain.connect();
    await this.#traced.connect();
    return this;
  }

  async send(topic, message, isTraced) {
    await (isTraced ? this.#traced : this.#plain).send({
      topic,
      messages: [message],
    });
  }

  async read(topic, count, group) {
    const consumer = kafka.consumer({
      "group.id": group,
      "auto.offset.reset": "earliest",
    });
    await consumer.connect();
    await consumer.subscribe({ topic });
    const payloads = [];
    await new Promise((resolve) => {
      void consumer.run({
        eachMessage: async (payload) => {
          if (payloads.push(payload) === count) resolve();
        },
      });
    });
    await consumer.disconnect();
    return payloads.slice(0, count);
  }

  async close() {
    await this.#plain.disconnect();
    await this.#traced.disconnect();
  }
}

const finish = start(process.env.UNBROKEN_OTLP ?? "");
await serve(await new Client().connect(), finish);
