// The probe with kafkajs.

import { Kafka, logLevel } from "kafkajs";
import { traced } from "unbroken";

import { broker, clientId, facts, serve, start } from "./probe.mjs";

const kafka = new Kafka({
  clientId,
  brokers: [broker],
  logLevel: logLevel.ERROR,
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
    const consumer = kafka.consumer({ groupId: group });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
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
