import type { Attributes } from "@opentelemetry/api";
import { place } from "../messaging/semconv.js";

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

/** What a broker has told about the messages of one partition. */
interface Told {
  readonly topic: string;
  readonly partition: number;
  readonly baseOffset: unknown;
}

const NONE: ReadonlySet<string> = new Set();

/**
 * Returns, for each message of a call, what the broker has told about it: its partition, and the offset of the first; an
 * empty list when it has told nothing.
 *
 * A client tells one offset for each partition, that of its first message. A message whose partition the client chose is
 * known to be there only when the topic got messages in no other.
 */
export function acknowledged(metadata: unknown, topics: readonly TopicMessages[]): Attributes[] {
  const told = toldIn(metadata);
  const first = told[0];
  if (first === undefined) return [];
  if (told.length === 1 && topics.length === 1 && topics[0]?.messages.length === 1) {
    return topics[0].topic === first.topic ? [place(first.partition, first.baseOffset)] : []; // most calls
  }
  const left = told.length > 1 ? leftToClient(topics) : NONE;
  const seen: Told[] = [];
  const places: Attributes[] = [];
  for (const { topic, messages } of topics) {
    const ofTopic = told.filter((one) => one.topic === topic);
    const isOne = ofTopic.length <= 1;
    // Between messages whose partition is not known, which one is the first is not known either.
    const isKnown = isOne || !left.has(topic);
    for (const { partition } of messages) {
      const found = isOne ? ofTopic[0] : ofTopic.find((one) => one.partition === partition);
      const isFirst = found !== undefined && !seen.includes(found);
      if (isFirst) seen.push(found);
      places.push(found === undefined ? {} : place(found.partition, isFirst && isKnown ? found.baseOffset : undefined));
    }
  }
  return places;
}

/** Returns what the broker has told about all messages of a call together: the partition, when it is one. */
export function acknowledgedTogether(metadata: unknown, count: number): Attributes {
  const told = toldIn(metadata);
  const only = told.length === 1 ? told[0] : undefined;
  return only === undefined ? {} : place(only.partition, count === 1 ? only.baseOffset : undefined);
}

/** Returns the topics with a message whose partition the client chose; -1 leaves it to some clients. */
function leftToClient(topics: readonly TopicMessages[]): ReadonlySet<string> {
  const isLeft = ({ partition }: Given): boolean => typeof partition !== "number" || partition < 0;
  return new Set(topics.filter(({ messages }) => messages.some(isLeft)).map(({ topic }) => topic));
}

function toldIn(metadata: unknown): Told[] {
  const told: Told[] = [];
  if (!Array.isArray(metadata)) return told;
  for (const one of metadata as unknown[]) {
    if (typeof one !== "object" || one === null) continue;
    const { topicName, partition, baseOffset } = one as Record<string, unknown>;
    if (typeof topicName === "string" && typeof partition === "number") {
      told.push({ topic: topicName, partition, baseOffset });
    }
  }
  return told;
}
