import type { Attributes } from "@opentelemetry/api";
import { utf8 } from "../propagation/propagators.js";
import { inForce } from "./policy.js";

// Names of spans, attributes and metrics, once: OpenTelemetry semantic conventions 1.44, where all `messaging.*` names
// are in Development. https://opentelemetry.io/docs/specs/semconv/messaging/
export const SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0";
export const SCOPE = "unbroken";

export const SYSTEM = "messaging.system";
export const OPERATION_NAME = "messaging.operation.name";
export const OPERATION_TYPE = "messaging.operation.type";
export const DESTINATION = "messaging.destination.name";
export const PARTITION = "messaging.destination.partition.id";
export const GROUP = "messaging.consumer.group.name";
export const CLIENT_ID = "messaging.client.id";
export const MESSAGE_COUNT = "messaging.batch.message_count";
export const KAFKA_OFFSET = "messaging.kafka.offset";
export const KAFKA_KEY = "messaging.kafka.message.key";
export const KAFKA_TOMBSTONE = "messaging.kafka.message.tombstone";
export const SERVER_ADDRESS = "server.address";
export const SERVER_PORT = "server.port";
export const ERROR_TYPE = "error.type";

export const PROCESS_DURATION = "messaging.process.duration";
export const OPERATION_DURATION = "messaging.client.operation.duration";
export const SENT_MESSAGES = "messaging.client.sent.messages";
export const CONSUMED_MESSAGES = "messaging.client.consumed.messages";
// What the conventions lack.
export const QUEUE_DURATION = "unbroken.queue.duration";
export const MALFORMED_CARRIERS = "unbroken.carriers.malformed";
export const MALFORMED_FIELD = "unbroken.carrier.field";

/** Boundaries of the duration histograms, in seconds. */
export const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Characters of a text that comes from a message, as an attribute. */
const MAX_TEXT = 1024;
const LONE_SURROGATES = /\p{Surrogate}/gu;
const DIGITS = /^[0-9]{1,16}$/;

const VARYING = [PARTITION, KAFKA_OFFSET, KAFKA_KEY, KAFKA_TOMBSTONE];
const ON_METRICS = [OPERATION_NAME, SYSTEM, DESTINATION, GROUP, SERVER_ADDRESS, SERVER_PORT];

/** What a client tells of itself; it goes on the spans. */
export interface ClientFacts {
  /** `messaging.client.id`. */
  readonly clientId?: string | undefined;
  /** `host:port`, with commas or in an array; of several, which name a cluster, none goes on a span. */
  readonly server?: string | readonly string[] | undefined;
}

/** What a consumer tells of itself. */
export interface ConsumerFacts extends ClientFacts {
  /** `messaging.consumer.group.name`. */
  readonly group?: string | undefined;
}

/** A record as far as spans speak of it. */
export interface RecordFacts {
  readonly topic: string;
  readonly partition: unknown;
  readonly offset: unknown;
  readonly key: unknown;
  readonly tombstone: boolean;
}

/** Returns a function that makes the attributes of a message when they are first asked for: for its span or its metrics. */
export function once(describe: () => Attributes): () => Attributes {
  let known: Attributes | null = null;
  return () => (known ??= describe());
}

/** Returns the name of a span: its operation, and the destination where it is known. */
export function spanName(attributes: Attributes): string {
  const operation = String(attributes[OPERATION_NAME]);
  const destination = attributes[DESTINATION];
  return destination === undefined || destination === "" ? operation : `${operation} ${String(destination)}`;
}

/** Returns the attributes of the process span of one record. */
export function processAttributes(record: RecordFacts): Attributes {
  const attributes = operationOn(record.topic, "process");
  addPlace(attributes, record.partition, record.offset);
  addContent(attributes, record);
  return attributes;
}

/** Returns those attributes of a record that differ within a batch; they go on the links of a receive span. */
export function varyingAttributes(record: RecordFacts): Attributes {
  return picked(processAttributes(record), VARYING);
}

/** Returns the attributes of the send span of one record; the partition only when the application chose it. */
export function sendAttributes(record: RecordFacts): Attributes {
  const attributes = operationOn(record.topic, "send");
  addPlace(attributes, record.partition, undefined);
  addContent(attributes, record);
  return attributes;
}

/** Returns the attributes of a span for several records; the topic only when it is one. */
export function batchAttributes(operation: "poll" | "send", topics: ReadonlySet<string>, count: number): Attributes {
  const [topic, ...others] = topics;
  const attributes: Attributes = {
    [SYSTEM]: "kafka",
    [OPERATION_NAME]: operation,
    [OPERATION_TYPE]: operation === "poll" ? "receive" : "send",
    [MESSAGE_COUNT]: count,
  };
  if (topic !== undefined && others.length === 0) attributes[DESTINATION] = topic;
  return attributes;
}

/** Returns where a record is: partition as text, offset as a number; what is no such thing is left out. */
export function place(partition: unknown, offset: unknown): Attributes {
  const attributes: Attributes = {};
  addPlace(attributes, partition, offset);
  return attributes;
}

/** Returns the attributes of a client: its id, its consumer group, and its server, when there is only one. */
export function clientAttributes(facts: ConsumerFacts): Attributes {
  const attributes: Attributes = {};
  if (isText(facts.clientId)) attributes[CLIENT_ID] = facts.clientId;
  if (isText(facts.group)) attributes[GROUP] = facts.group;
  const servers = typeof facts.server === "string" ? facts.server.split(",") : (facts.server ?? []);
  const [server, ...others] = servers;
  if (server === undefined || others.length > 0) return attributes;
  const match = /^(?:.*:\/\/)?\s*\[?(.*?)\]?:([0-9]+)\s*$/.exec(server);
  if (match === null) return attributes;
  return { ...attributes, [SERVER_ADDRESS]: match[1], [SERVER_PORT]: Number(match[2]) };
}

/** Returns those of a span's attributes that go on its metrics. */
export function metricAttributes(attributes: Attributes): Attributes {
  return picked(attributes, ON_METRICS);
}

function operationOn(topic: string, operation: "process" | "send"): Attributes {
  return { [SYSTEM]: "kafka", [OPERATION_NAME]: operation, [OPERATION_TYPE]: operation, [DESTINATION]: topic };
}

function addPlace(attributes: Attributes, partition: unknown, offset: unknown): void {
  const place = typeof partition === "number" ? countOf(partition) : null;
  if (place !== null) attributes[PARTITION] = place.toString();
  const position = countOf(offset);
  if (position !== null) attributes[KAFKA_OFFSET] = position;
}

/** Returns a whole number that is not negative, from text too; null for what is none, or is held only nearly. */
export function countOf(value: unknown): number | null {
  if (typeof value !== "number" && (typeof value !== "string" || !DIGITS.test(value))) return null;
  const number = Number(value);
  return Number.isSafeInteger(number) && number >= 0 ? number : null;
}

/** Returns text as every exporter takes it: at most 1024 characters (code points), `?` for half of a surrogate pair. */
export function exportable(text: string): string {
  const kept =
    text.length <= MAX_TEXT
      ? text
      : Array.from(text.slice(0, 2 * MAX_TEXT))
          .slice(0, MAX_TEXT)
          .join("");
  return kept.replace(LONE_SURROGATES, "?");
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function addContent(attributes: Attributes, record: RecordFacts): void {
  const key = record.key === null || !inForce().messageKey ? null : utf8(record.key);
  if (key !== null) attributes[KAFKA_KEY] = exportable(key);
  if (record.tombstone) attributes[KAFKA_TOMBSTONE] = true;
}

function picked(attributes: Attributes, names: readonly string[]): Attributes {
  const found: Attributes = {};
  for (const name of names) {
    const value = attributes[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}
