/** Each contender as its documentation says: how KafkaJS is had, how a handler and a producer are traced. */

import { createRequire } from "node:module";
import { replaceClients } from "./clients.mjs";

const require = createRequire(import.meta.url);

function kafka() {
  const kafkajs = require("kafkajs");
  return new kafkajs.Kafka({ brokers: ["127.0.0.1:9"], logLevel: kafkajs.logLevel.NOTHING });
}

async function running(handler) {
  const consumer = kafka().consumer({ groupId: "billing" });
  await consumer.run({ eachMessage: handler });
  return consumer.eachMessage;
}

export const CONTENDERS = {
  bare: {
    spans: 0,
    async eachMessage(handler) {
      replaceClients(require("kafkajs"));
      return running(handler);
    },
    async producer() {
      replaceClients(require("kafkajs"));
      return kafka().producer();
    },
  },
  OpenTelemetry: {
    spans: 1,
    async eachMessage(handler) {
      await instrument();
      return running(handler);
    },
    async producer() {
      await instrument();
      return kafka().producer();
    },
  },
  unbroken: {
    spans: 1,
    async eachMessage(handler) {
      replaceClients(require("kafkajs"));
      const { eachMessage } = await import("unbroken");
      return running(eachMessage(handler));
    },
    async producer() {
      replaceClients(require("kafkajs"));
      const { traced } = await import("unbroken");
      return traced(kafka().producer());
    },
  },
};

async function instrument() {
  const { registerInstrumentations } = await import("@opentelemetry/instrumentation");
  const { KafkaJsInstrumentation } = await import("@opentelemetry/instrumentation-kafkajs");
  replaceClients(require("kafkajs"));
  registerInstrumentations({ instrumentations: [new KafkaJsInstrumentation()] });
  require("kafkajs"); // what was loaded before is wrapped when it is asked for again
}
