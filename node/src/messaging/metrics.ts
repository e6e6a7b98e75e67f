import {
  createNoopMeter,
  metrics,
  ValueType,
  type Attributes,
  type Counter,
  type Histogram,
  type MeterProvider,
} from "@opentelemetry/api";
import { survived } from "../log.js";
import type { Malformed } from "../propagation/read.js";
import { VERSION } from "../version.js";
import { errorType, type Failure } from "./failure.js";
import * as semconv from "./semconv.js";

/** The instruments of one meter provider; durations in seconds. */
export interface Instruments {
  readonly processDuration: Histogram;
  readonly operationDuration: Histogram;
  readonly queueDuration: Histogram;
  readonly sent: Counter;
  readonly consumed: Counter;
  readonly malformed: Counter;
}

let provider: MeterProvider | null = null;
let known: Instruments | null = null;

/** Returns the instruments of the global meter provider, null while there is none: then nothing is timed or counted. */
export function instruments(): Instruments | null {
  const current = metrics.getMeterProvider();
  if (current !== provider) {
    provider = current;
    known = made(current);
  }
  return known;
}

/** Returns a function that records the seconds since now, once it is called. Never throws. */
export function timing(histogram: Histogram, attributes: Attributes): (failure: Failure | null) => void {
  const started = performance.now();
  return (failure) => {
    record(histogram, (performance.now() - started) / 1000, withError(attributes, failure));
  };
}

/** Records a duration in seconds. Never throws. */
export function record(histogram: Histogram, seconds: number, attributes: Attributes): void {
  try {
    histogram.record(seconds, attributes);
  } catch (error) {
    survived("a metric", error);
  }
}

/** Adds to a counter. Never throws. */
export function add(counter: Counter, amount: number, attributes: Attributes): void {
  try {
    counter.add(amount, attributes);
  } catch (error) {
    survived("a metric", error);
  }
}

/** Counts the malformed fields of a message, each once with its number. `describe` returns its attributes. */
export function countMalformed(fields: Malformed, describe: () => Attributes): void {
  if (fields.size === 0) return;
  const found = instruments();
  if (found === null) return;
  const system = describe()[semconv.SYSTEM];
  for (const [field, times] of fields) {
    add(found.malformed, times, { [semconv.SYSTEM]: system, [semconv.MALFORMED_FIELD]: field });
  }
}

/** Returns the attributes with `error.type`, when there is a failure. */
export function withError(attributes: Attributes, failure: Failure | null): Attributes {
  return failure === null ? attributes : { ...attributes, [semconv.ERROR_TYPE]: errorType(failure.error) };
}

/** Returns how many seconds ago a timestamp (milliseconds since the epoch) was, never negative; null for none. */
export function secondsSince(timestamp: unknown): number | null {
  const milliseconds = semconv.countOf(timestamp);
  return milliseconds === null ? null : Math.max(0, Date.now() - milliseconds) / 1000;
}

function made(current: MeterProvider): Instruments | null {
  try {
    const meter = current.getMeter(semconv.SCOPE, VERSION, { schemaUrl: semconv.SCHEMA_URL });
    if (meter === createNoopMeter()) return null;
    const advice = { explicitBucketBoundaries: semconv.DURATION_BUCKETS };
    const seconds = (name: string, description: string): Histogram =>
      meter.createHistogram(name, { unit: "s", description, advice });
    const count = (name: string, unit: string, description: string): Counter =>
      meter.createCounter(name, { unit, description, valueType: ValueType.INT });
    return {
      processDuration: seconds(semconv.PROCESS_DURATION, "Duration of processing a message."),
      operationDuration: seconds(semconv.OPERATION_DURATION, "Duration of an operation of a messaging client."),
      queueDuration: seconds(semconv.QUEUE_DURATION, "Time from a message's timestamp to the start of its processing."),
      sent: count(semconv.SENT_MESSAGES, "{message}", "Messages that a producer tried to send."),
      consumed: count(semconv.CONSUMED_MESSAGES, "{message}", "Messages given to the application."),
      malformed: count(semconv.MALFORMED_CARRIERS, "{field}", "Propagation fields that were malformed."),
    };
  } catch (error) {
    survived("the making of metrics", error);
    return null;
  }
}
