import type { Span } from "@opentelemetry/api";
import { warnOnce } from "../log.js";
import { isBatch, isPayload, type Message, type MessageBatch, type MessagePayload } from "../messaging/message.js";
import { knownCorrelation } from "../messaging/policy.js";
import { process, type ProcessOptions } from "../messaging/process.js";
import { receive } from "../messaging/receive.js";
import { NO_SPAN } from "../messaging/scope.js";
import { checkFunction, checkOptions } from "../mistakes.js";

/** What `eachBatch` is given: a batch, and functions that stay what they are. */
export interface BatchPayload {
  readonly batch: MessageBatch;
}

/** What a handler of batches is given on top: `process`, for one message of the batch. */
export interface BatchScope<M extends Message> {
  /**
   * Returns what the handler returns; the span of the message is current in it.
   *
   * @param message - a message of this batch.
   * @param handler - is given the span.
   */
  readonly process: <R>(message: M, handler: (span: Span) => R) => R;
}

type MessageOf<P extends BatchPayload> = P["batch"]["messages"][number];

/** What a handler is given with a batch that is none, such as a double of a test. */
const untraced = <M extends Message>(): BatchScope<M> => ({ process: (_, handler) => handler(NO_SPAN) });

// What was wrapped already: twice is once.
const wrapped = new WeakSet();

/**
 * Returns a handler for `consumer.run({ eachMessage })` in which each message has its own context and CONSUMER span.
 *
 * @param handler - is given what the client gives, and may throw or reject: the client sees it as it was.
 * @param options - what the consumer tells of itself, `correlation`, more `attributes`.
 */
export function eachMessage<P extends MessagePayload = MessagePayload, R = Promise<void>>(
  handler: (payload: P) => R,
  options: ProcessOptions = {},
): (payload: P) => R {
  checkFunction("eachMessage", handler);
  checkOptions("eachMessage", options);
  knownCorrelation(options.correlation);
  if (wrapped.has(handler)) return handler;
  const each = (payload: P): R =>
    isPayload(payload) ? process(payload, () => handler(payload), options) : handler(handedOn(payload));
  wrapped.add(each);
  return each;
}

/**
 * Returns a handler for `consumer.run({ eachBatch })`: one CLIENT span for the batch, linked to every message.
 *
 * The handler is given what the client gives, and `process(message, handler)`, in which a message has its own context
 * and CONSUMER span.
 *
 * @param handler - may throw or reject: the client sees it as it was.
 * @param options - what the consumer tells of itself, `correlation`, more `attributes`.
 */
export function eachBatch<P extends BatchPayload = BatchPayload, R = Promise<void>>(
  handler: (payload: P & BatchScope<MessageOf<P>>) => R,
  options: ProcessOptions = {},
): (payload: P) => R {
  checkFunction("eachBatch", handler);
  checkOptions("eachBatch", options);
  knownCorrelation(options.correlation);
  if (wrapped.has(handler)) return handler as unknown as (payload: P) => R;
  const each = (payload: P): R => {
    if (!isBatch((payload as BatchPayload | undefined)?.batch))
      return handler({ ...handedOn(payload), ...untraced<MessageOf<P>>() });
    const { topic, partition } = payload.batch;
    const scope: BatchScope<MessageOf<P>> = {
      process: (message, handle) => process({ topic, partition, message }, handle, options),
    };
    return receive(payload.batch, () => handler({ ...payload, ...scope }), options);
  };
  wrapped.add(each);
  return each;
}

/** Returns what a handler was given that is no message; the handler runs without a span. */
function handedOn<P>(payload: P): P {
  warnOnce("a handler was given what is no message of a client; it runs without a span (logged once)");
  return payload;
}
