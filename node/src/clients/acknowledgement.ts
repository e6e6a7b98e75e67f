import type { Attributes } from "@opentelemetry/api";
import { place } from "../messaging/semconv.js";

/** Where an application wants a message. */
export interface Wanted {
  readonly topic: string;
  /** Null where the client chooses. */
  readonly partition: number | null;
}

/** What a broker has told about the messages of one partition. */
interface Told {
  readonly topic: string;
  readonly partition: number;
  readonly baseOffset: unknown;
}

/**
 * Returns, for each message of a call, what the broker has told about it: its partition, and the offset of the first; an
 * empty list when it has told nothing.
 *
 * A client tells one offset for each partition, that of its first message. A message whose partition the client chose is
 * known to be there only when the topic got messages in no other.
 */
export function acknowledged(metadata: unknown, messages: readonly Wanted[]): Attributes[] {
  const told = toldIn(metadata);
  if (told.length === 0) return [];
  const seen = new Set<Told>();
  return messages.map(({ topic, partition }) => {
    const ofTopic = told.filter((one) => one.topic === topic);
    const only = ofTopic.length === 1 ? ofTopic[0] : undefined;
    const found = only ?? ofTopic.find((one) => one.partition === partition);
    if (found === undefined) return {};
    const isFirst = !seen.has(found);
    seen.add(found);
    // Between messages whose partition is not known, which one is the first is not known either.
    const isKnown = only !== undefined || !messages.some((one) => one.topic === topic && one.partition === null);
    return place(found.partition, isFirst && isKnown ? found.baseOffset : undefined);
  });
}

/** Returns what the broker has told about all messages of a call together: the partition, when it is one. */
export function acknowledgedTogether(metadata: unknown, count: number): Attributes {
  const told = toldIn(metadata);
  const only = told.length === 1 ? told[0] : undefined;
  return only === undefined ? {} : place(only.partition, count === 1 ? only.baseOffset : undefined);
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
