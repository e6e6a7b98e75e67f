import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { Kafka, logLevel, type Admin, type Consumer, type ConsumerRunConfig, type Producer } from "kafkajs";
import { PACKAGE } from "./vectors.js";

/** A client under test: KafkaJS, or one that has its interface. */
export interface TestedClient {
  readonly name: string;
  /** Why its tests cannot run here, false when they can. */
  readonly missing: string | false;
  admin(): Admin;
  producer(transactionalId?: string): Producer;
  consumer(groupId: string): Consumer;
}

const address = process.env["UNBROKEN_KAFKA"];
const built = process.env["INTEROP_CONFLUENT"] ?? path.join(PACKAGE, "confluent");
/** Where the client of Confluent is, if it is. */
export const CONFLUENT = path.join(built, "node_modules", "@confluentinc", "kafka-javascript");
/** Why there is no Kafka, false when there is one. */
export const noServer = address === undefined ? "UNBROKEN_KAFKA=host:port names no Kafka" : false;
const noBinary = existsSync(path.join(CONFLUENT, "build", "Release", "confluent-kafka-javascript.node"))
  ? false
  : "`npm run confluent` has not built @confluentinc/kafka-javascript";

/** Returns the reason to leave a test out; in CI nothing is left out. */
export function missing(...reasons: (string | false)[]): string | false {
  const reason = reasons.find((one) => one !== false) ?? false;
  if (reason !== false && process.env["CI"] === "true") throw new Error(reason);
  return reason;
}

const brokers = [address ?? "localhost:0"];

/** KafkaJS itself. */
export function kafkajs(): TestedClient {
  const kafka = new Kafka({ brokers, clientId: "shop", logLevel: logLevel.NOTHING });
  return {
    name: "kafkajs",
    missing: missing(noServer),
    admin: () => kafka.admin(),
    producer: (transactionalId) =>
      kafka.producer(
        transactionalId === undefined ? {} : { transactionalId, idempotent: true, maxInFlightRequests: 1 },
      ),
    consumer: (groupId) => kafka.consumer({ groupId, retry: { initialRetryTime: 20, maxRetryTime: 50, retries: 10 } }),
  };
}

/** The client of Confluent, as far as it has the interface of KafkaJS. */
export function confluent(): TestedClient {
  const without = missing(noServer, noBinary);
  const unavailable = (): never => {
    throw new Error(String(without));
  };
  if (without !== false) {
    return { name: "confluent", missing: without, admin: unavailable, producer: unavailable, consumer: unavailable };
  }
  const loaded = createRequire(__filename)(CONFLUENT) as ConfluentModule;
  const kafka = new loaded.KafkaJS.Kafka({ log_level: 0, kafkaJS: { brokers, clientId: "shop" } });
  return {
    name: "confluent",
    missing: false,
    admin: () => kafka.admin(),
    producer: (transactionalId) =>
      kafka.producer({ kafkaJS: transactionalId === undefined ? {} : { transactionalId } }),
    consumer: (groupId) => {
      const consumer = kafka.consumer({ kafkaJS: { groupId, fromBeginning: true } });
      const subscribe = consumer.subscribe.bind(consumer);
      // It takes fromBeginning in the configuration only.
      consumer.subscribe = (subscription) => subscribe({ topics: (subscription as { topics: string[] }).topics });
      return consumer;
    },
  };
}

interface ConfluentModule {
  readonly KafkaJS: {
    readonly Kafka: new (config: object) => {
      admin(): Admin;
      producer(config: object): Producer;
      consumer(config: object): Consumer;
    };
  };
}

/** Returns a new topic. */
export async function topicOf(client: TestedClient, numPartitions = 1): Promise<string> {
  const topic = `node-${randomUUID()}`;
  const admin = client.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions }] });
  await admin.disconnect();
  return topic;
}

/** Returns what the function returns, given a producer that is connected. */
export async function producing<R>(producer: Producer, use: (producer: Producer) => Promise<R>): Promise<R> {
  await producer.connect();
  try {
    return await use(producer);
  } finally {
    await producer.disconnect();
  }
}

/** Consumes topics from their beginning until the promise resolves, or the test is out of time. */
export async function consuming<R>(
  client: TestedClient,
  signal: AbortSignal,
  topics: string[],
  run: ConsumerRunConfig,
  until: Promise<R>,
): Promise<R> {
  const consumer = client.consumer(`node-${randomUUID()}`);
  await consumer.connect();
  try {
    await consumer.subscribe({ topics, fromBeginning: true });
    await consumer.run(run);
    return await Promise.race([until, aborted(signal)]);
  } finally {
    await consumer.disconnect();
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(new Error("out of time"));
    });
  });
}
