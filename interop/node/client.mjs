// A client with the interface of KafkaJS, as a probe wants it.

import { traced } from "unbroken";

import { facts } from "./probe.mjs";

export class Client {
  #plain;
  #traced;
  #subscribed;

  /** `subscribed(topic, group)` resolves with a consumer that reads the topic from its start when it is run. */
  constructor(kafka, subscribed) {
    this.#plain = kafka.producer();
    this.#traced = traced(kafka.producer(), facts);
    this.#subscribed = subscribed;
  }

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
    const consumer = await this.#subscribed(topic, group);
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
