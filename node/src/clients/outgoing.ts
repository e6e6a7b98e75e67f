import type { Attributes } from "@opentelemetry/api";
import type { Failure } from "../messaging/failure.js";
import { batchAttributes, sendAttributes } from "../messaging/semconv.js";
import { sendAll, sendOne, type Outgoing } from "../messaging/send.js";
import type { Headers, OutgoingHeaders } from "../propagation/headers.js";
import { acknowledged, acknowledgedTogether, type Wanted } from "./acknowledgement.js";

/** A message as an application gives it to `send`. */
export interface Given {
  readonly key?: unknown;
  readonly value?: unknown;
  readonly partition?: unknown;
  readonly headers?: unknown;
}

/** The messages of one call for one topic. */
export interface TopicMessages {
  readonly topic: string;
  readonly messages: readonly Given[];
}

/** The messages of a call as they are sent, and what ends their spans. */
export interface Begun {
  readonly topicMessages: readonly TopicMessages[];
  readonly end: (failure: Failure | null, metadata: unknown) => void;
}

/** A message of a call, flat. */
interface Entry {
  readonly topic: string;
  readonly message: Given;
  readonly outgoing: Outgoing;
}

/** Returns the messages of a call, each under a span of its own. */
export function beginEach(topics: readonly TopicMessages[], client: Attributes): Begun {
  const entries = entriesOf(topics);
  const sendings = entries.map(({ topic, message, outgoing }) =>
    sendOne(outgoing, () => Object.assign(sendAttributes(factsOf(topic, message)), client)),
  );
  return {
    topicMessages: withHeaders(
      topics,
      sendings.map((sending) => sending?.headers ?? null),
    ),
    end: (failure, metadata) => {
      const told = acknowledged(metadata, entries.map(wanted));
      sendings.forEach((sending, index) => sending?.end(failure, told[index] ?? {}));
    },
  };
}

/** Returns the messages of a call under one span. */
export function beginTogether(topics: readonly TopicMessages[], client: Attributes): Begun {
  const entries = entriesOf(topics);
  const describe = (traced: readonly Outgoing[]): Attributes => {
    const named = new Set(traced.map(({ topic }) => topic));
    return { ...batchAttributes("send", named, traced.length), ...client };
  };
  const sending = sendAll(
    entries.map((entry) => entry.outgoing),
    describe,
  );
  return {
    topicMessages: sending === null ? topics : withHeaders(topics, sending.headers),
    end: (failure, metadata) => {
      sending?.end(failure, acknowledgedTogether(metadata, entries.length));
    },
  };
}

function entriesOf(topics: readonly TopicMessages[]): Entry[] {
  const entries: Entry[] = [];
  for (const { topic, messages } of topics) {
    for (const message of messages) entries.push({ topic, message, outgoing: { topic, headers: headersIn(message) } });
  }
  return entries;
}

/** Returns copies of the messages with these headers, in their order; with null a message stays what it is. */
function withHeaders(topics: readonly TopicMessages[], headers: readonly (OutgoingHeaders | null)[]): TopicMessages[] {
  let position = 0;
  return topics.map((one) => ({
    ...one,
    messages: one.messages.map((message) => {
      const own = headers[position++] ?? null;
      return own === null ? message : copied(message, own);
    }),
  }));
}

const READ_BY_CLIENTS = ["key", "value", "partition", "timestamp"] as const;

/** Returns a copy; what a class has by inheritance is copied too, as far as clients read it. */
function copied(message: Given, headers: OutgoingHeaders): Given {
  if (Object.getPrototypeOf(message) === Object.prototype) return { ...message, headers };
  const copy: Record<string, unknown> = { ...message };
  for (const name of READ_BY_CLIENTS) {
    if (name in message) copy[name] = (message as Record<string, unknown>)[name];
  }
  copy["headers"] = headers;
  return copy;
}

function headersIn(message: Given): Headers {
  const { headers } = message;
  return typeof headers === "object" && headers !== null ? (headers as Headers) : {};
}

function factsOf(topic: string, message: Given): Parameters<typeof sendAttributes>[0] {
  const { key = null, partition, value } = message;
  return { topic, partition, offset: undefined, key, tombstone: value === null };
}

function wanted({ topic, message }: Entry): Wanted {
  return {
    topic,
    partition: typeof message.partition === "number" && message.partition >= 0 ? message.partition : null,
  };
}
