import type { Attributes } from "@opentelemetry/api";
import { concluded } from "../messaging/failure.js";
import { oneOf } from "../messaging/policy.js";
import { clientAttributes, type ClientFacts } from "../messaging/semconv.js";
import { survived } from "../log.js";
import { checkOptions, checkProducer } from "../mistakes.js";
import type { TopicMessages } from "./acknowledgement.js";
import { beginEach, beginTogether, type Begun } from "./outgoing.js";

/** How a producer is traced. */
export interface ProducerOptions extends ClientFacts {
  /** One span for each `message` (default), or one for each `call` of send and sendBatch. */
  readonly spans?: "message" | "call";
}

/** A producer, or a transaction, as KafkaJS and its relatives have them. */
export interface Producing {
  send(record: never): unknown;
  sendBatch(batch: never): unknown;
}

/** What a producer's calls have in common. */
interface Tracing {
  readonly client: Attributes;
  readonly isTogether: boolean;
  readonly options: ProducerOptions;
}

type Call = (...args: unknown[]) => unknown;

const tracedOf = new WeakMap<object, object>();
const isTraced = new WeakSet();

/**
 * Returns a producer whose messages carry the context, each under a PRODUCER span that ends on the acknowledgement.
 *
 * All of the producer is there, and the producer itself stays as it was. The headers of each message are replaced in a
 * copy of the message. `transaction()` gives transactions that are traced in the same way. Traced twice is traced once,
 * with the options of the first time.
 *
 * @param producer - of KafkaJS, or of another client with its interface.
 * @param options - what the producer tells of itself; `spans`: one for each `message`, or for each `call`.
 */
export function traced<P extends Producing>(producer: P, options: ProducerOptions = {}): P {
  checkProducer(producer);
  checkOptions("traced", options);
  oneOf("spans", options.spans ?? "message", ["message", "call"]);
  if (isTraced.has(producer)) return producer;
  const known = tracedOf.get(producer) as P | undefined;
  if (known !== undefined) return known;
  const tracing: Tracing = { client: clientAttributes(options), isTogether: options.spans === "call", options };
  const methods = new Map<string | symbol, { readonly of: unknown; readonly call: Call }>();
  const proxy = new Proxy(producer, {
    get(target, name): unknown {
      const value: unknown = Reflect.get(target, name, target);
      const known = methods.get(name);
      if (known !== undefined && known.of === value) return known.call;
      if (typeof value !== "function" || name === "constructor" || isFixed(target, name)) return value;
      // Bound, because a class with private fields knows only itself.
      const call = tracedMethod(name, (value as Call).bind(target), tracing);
      methods.set(name, { of: value, call });
      return call;
    },
  });
  tracedOf.set(producer, proxy);
  isTraced.add(proxy);
  return proxy;
}

function tracedMethod(name: string | symbol, call: Call, tracing: Tracing): Call {
  switch (name) {
    case "send":
      return (record, ...rest) =>
        sent(isTopic(record) ? [record] : [], tracing, (begun) => {
          const own = begun?.topicMessages[0];
          return call(own === undefined ? record : Object.assign({}, record, own), ...rest);
        });
    case "sendBatch":
      return (batch, ...rest) =>
        sent(topicsOf(batch), tracing, (begun) =>
          call(begun === null ? batch : { ...(batch as object), topicMessages: begun.topicMessages }, ...rest),
        );
    case "transaction":
      return (...args) => tracedTransaction(call(...args), tracing.options);
    default:
      return call;
  }
}

/** Returns what the client returns for a call; without messages that can be traced `call` is given null. */
function sent(topics: readonly TopicMessages[], tracing: Tracing, call: (begun: Begun | null) => unknown): unknown {
  const begun = begin(topics, tracing);
  if (begun === null) return call(null);
  return concluded(
    () => call(begun),
    (failure, metadata) => {
      try {
        begun.end(failure, metadata);
      } catch (error) {
        survived("the end of a send", error);
      }
    },
  );
}

function begin(topics: readonly TopicMessages[], { client, isTogether }: Tracing): Begun | null {
  if (topics.length === 0) return null;
  try {
    return isTogether ? beginTogether(topics, client) : beginEach(topics, client);
  } catch (error) {
    survived("send", error);
    return null;
  }
}

/** Returns a transaction that is traced, or the promise of it; some clients give the producer itself. */
function tracedTransaction(transaction: unknown, options: ProducerOptions): unknown {
  if (transaction instanceof Promise) return transaction.then((one: unknown) => tracedTransaction(one, options));
  return isProducing(transaction) ? traced(transaction, options) : transaction;
}

/** Returns the messages of `sendBatch`, none where one of them is no message: the client says what is wrong. */
function topicsOf(batch: unknown): readonly TopicMessages[] {
  const topics = isObject(batch) ? (batch as { topicMessages?: unknown }).topicMessages : undefined;
  return Array.isArray(topics) && topics.every(isTopic) ? topics : [];
}

function isTopic(record: unknown): record is TopicMessages {
  if (!isObject(record)) return false;
  const { topic, messages } = record as { topic?: unknown; messages?: unknown };
  return typeof topic === "string" && Array.isArray(messages) && messages.every(isObject);
}

function isProducing(value: unknown): value is Producing {
  return isObject(value) && "send" in value && typeof value.send === "function";
}

/** Returns whether a proxy may give nothing else for a property than what it is. */
function isFixed(target: object, name: string | symbol): boolean {
  const property = Reflect.getOwnPropertyDescriptor(target, name);
  return property?.configurable === false && property.writable === false;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
