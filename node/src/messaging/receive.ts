import { SpanKind, trace, type Attributes, type Context, type Link, type Span } from "@opentelemetry/api";
import { survived } from "../log.js";
import { checkFunction, checkOptions } from "../mistakes.js";
import { isSuppressed, originOf } from "../propagation/context.js";
import { active, attached } from "../propagation/current.js";
import { concluded, endSpan, type Failure } from "./failure.js";
import { factsOf, headersIn, payloadsOf, type MessageBatch, type MessagePayload } from "./message.js";
import { add, instruments, record, secondsSince } from "./metrics.js";
import { covers, inForce } from "./policy.js";
import { isCounted, NO_SPAN, withCounted } from "./scope.js";
import {
  batchAttributes,
  clientAttributes,
  metricAttributes,
  once,
  spanName,
  varyingAttributes,
  type ConsumerFacts,
} from "./semconv.js";
import { tracer } from "./tracing.js";

/** How a batch is received. */
export interface ReceiveOptions extends ConsumerFacts {
  /** When the poll began, in milliseconds since the epoch: the span then covers the wait too. */
  readonly startTime?: number | undefined;
}

/**
 * Returns what the handler returns; around it is one CLIENT span, linked to the creation context of every message.
 *
 * The span is a child of the current one. `process` in the handler still puts each message into its own trace. No
 * messages, no span. The SDK keeps 128 links of a span.
 *
 * @param batch - a batch of one partition, or a list of what `eachMessage` is given.
 * @param handler - is given the span.
 * @param options - what the consumer tells of itself, and when the poll began.
 * @throws UnknownMessage when the batch holds what is no message. What a message holds never throws.
 */
export function receive<R>(
  batch: MessageBatch | readonly MessagePayload[],
  handler: (span: Span) => R,
  options: ReceiveOptions = {},
): R {
  checkFunction("receive", handler);
  checkOptions("receive", options);
  const payloads = payloadsOf(batch).filter((payload) => covers(payload.topic));
  const open = payloads.length === 0 ? null : opened(payloads, options, active());
  if (open === null) return handler(NO_SPAN);
  const { inside, span } = open;
  const end = (failure: Failure | null): void => {
    endSpan(span, failure);
  };
  return attached(inside, () => concluded(() => handler(span), end));
}

/** Returns the context and the span of a batch, null when nothing of it is traced. Never throws. */
function opened(
  payloads: readonly MessagePayload[],
  options: ReceiveOptions,
  ambient: Context,
): { inside: Context; span: Span } | null {
  try {
    if (isSuppressed(ambient)) return null;
    const describe = once(() => described(payloads, options));
    count(payloads, options, describe, ambient);
    const around = withCounted(ambient, new Set(payloads.map((payload) => payload.message)));
    const span = started(payloads, options, describe, around);
    return span === null ? { inside: around, span: NO_SPAN } : { inside: trace.setSpan(around, span), span };
  } catch (error) {
    survived("receive", error);
    return null;
  }
}

/** Returns the span of a batch, null where none is wanted or none can be had. */
function started(
  payloads: readonly MessagePayload[],
  options: ReceiveOptions,
  describe: () => Attributes,
  ambient: Context,
): Span | null {
  try {
    const found = tracer();
    if (found === null || !inForce().spans) return null;
    const attributes = describe();
    const links = payloads.flatMap((payload) => linksOf(payload, ambient));
    const { startTime } = options;
    const when = startTime === undefined ? {} : { startTime };
    return found.startSpan(spanName(attributes), { kind: SpanKind.CLIENT, attributes, links, ...when }, ambient);
  } catch (error) {
    survived("the start of a span", error);
    return null;
  }
}

/** Returns the links to what created the message; what differs within a batch is on them. */
function linksOf(payload: MessagePayload, ambient: Context): Link[] {
  const origin = originOf(headersIn(payload.message), inForce().duplicates, ambient);
  if (origin.spanContext === null) return [];
  const attributes = varyingAttributes(factsOf(payload));
  return [origin.spanContext, ...origin.others].map((context) => ({ context, attributes }));
}

function count(
  payloads: readonly MessagePayload[],
  options: ReceiveOptions,
  describe: () => Attributes,
  ambient: Context,
): void {
  const found = instruments();
  if (found === null) return;
  const attributes = metricAttributes(describe());
  const fresh = payloads.filter((payload) => !isCounted(ambient, payload.message)).length;
  if (fresh > 0) add(found.consumed, fresh, attributes);
  const waited = secondsSince(options.startTime);
  if (waited !== null) record(found.operationDuration, waited, attributes);
}

function described(payloads: readonly MessagePayload[], options: ReceiveOptions): Attributes {
  const topics = new Set(payloads.map((payload) => payload.topic));
  return { ...batchAttributes("poll", topics, payloads.length), ...clientAttributes(options) };
}
