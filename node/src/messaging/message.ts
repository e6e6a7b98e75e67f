import { ROOT_CONTEXT, type Context } from "@opentelemetry/api";
import { checkOptions } from "../mistakes.js";
import { originOf } from "../propagation/context.js";
import { headersOf, type Headers } from "../propagation/headers.js";
import { UnknownCarrier } from "../propagation/octets.js";
import type { Duplicates } from "../propagation/read.js";
import { inForce, oneOf } from "./policy.js";
import type { RecordFacts } from "./semconv.js";

/** A record as KafkaJS and its relatives hand it out. */
export interface Message {
  readonly key?: Buffer | string | null | undefined;
  readonly value?: Buffer | string | null | undefined;
  readonly headers?: Headers | undefined;
  readonly offset: string;
  readonly timestamp?: string | undefined;
}

/** What `eachMessage` is given: a record and where it comes from. */
export interface MessagePayload {
  readonly topic: string;
  readonly partition: number;
  readonly message: Message;
}

/** The records of one poll from one partition. */
export interface MessageBatch {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly Message[];
}

/** What was given is no message. */
export class UnknownMessage extends TypeError {
  override readonly name = "UnknownMessage";

  constructor() {
    super("a message comes as { topic, partition, message }, which is what eachMessage is given");
  }
}

/**
 * Returns the payload.
 *
 * @throws UnknownMessage when it is none. What its message holds never throws.
 */
export function payloadOf(payload: MessagePayload): MessagePayload {
  if (!isPayload(payload)) throw new UnknownMessage();
  return payload;
}

/** Returns whether a value is what `eachMessage` is given. */
export function isPayload(value: unknown): value is MessagePayload {
  if (!isObject(value)) return false;
  const { topic, message } = value as { topic?: unknown; message?: unknown };
  return typeof topic === "string" && isObject(message);
}

/** Returns whether a value is a batch of messages. */
export function isBatch(value: unknown): value is MessageBatch {
  if (!isObject(value)) return false;
  const { topic, messages } = value as { topic?: unknown; messages?: unknown };
  return typeof topic === "string" && Array.isArray(messages) && messages.every(isObject);
}

/** Returns the payloads of a batch, or of a list of payloads. */
export function payloadsOf(batch: MessageBatch | readonly MessagePayload[]): MessagePayload[] {
  if (isList(batch)) return batch.map(payloadOf);
  if (!isBatch(batch)) throw new UnknownMessage();
  const { topic, partition, messages } = batch;
  return messages.map((message) => ({ topic, partition, message }));
}

/** Returns the headers of a message; those in a shape that no client has are none. */
export function headersIn(message: Message): Headers {
  try {
    return headersOf(message.headers);
  } catch {
    return {};
  }
}

/** Returns what spans say of a record. */
export function factsOf({ topic, partition, message }: MessagePayload): RecordFacts {
  const { key, offset, value } = message;
  return { topic, partition, offset, key, tombstone: value === null || value === undefined };
}

/**
 * Returns the context that a message, or headers, carry; nothing of the current context is in it.
 *
 * @param source - what `eachMessage` is given, a message, or headers.
 * @param options - `duplicates`: what several different `traceparent` values mean (default: the policy in force).
 * @throws UnknownCarrier when `source` is none of these. What it holds never throws.
 */
export function extract(
  source: MessagePayload | Message | Headers | null | undefined,
  options: { readonly duplicates?: Duplicates } = {},
): Context {
  checkOptions("extract", options);
  const duplicates = options.duplicates ?? inForce().duplicates;
  oneOf("duplicates", duplicates, ["last", "restart"]);
  return originOf(headersOf(carrierIn(source)), duplicates, ROOT_CONTEXT).context;
}

/** Returns the headers of a payload or of a message, known by what no header value is; all else is headers itself. */
function carrierIn(source: unknown): unknown {
  if (!isObject(source)) return source;
  const { headers, message, batch = source } = source as { headers?: unknown; message?: unknown; batch?: unknown };
  if (isObject(message) && !isValue(message)) return headersIn(message as unknown as Message);
  if (isBatch(batch) && !batch.messages.some(isValue)) throw new UnknownCarrier(batch.messages);
  return isObject(headers) && !isValue(headers) ? headers : source;
}

function isValue(value: object): boolean {
  return Array.isArray(value) || value instanceof Uint8Array;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isList(value: unknown): value is readonly MessagePayload[] {
  return Array.isArray(value);
}
