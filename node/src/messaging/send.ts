import {
  propagation,
  SpanKind,
  type Attributes,
  type Context,
  type Link,
  type Span,
  type SpanContext,
} from "@opentelemetry/api";
import { survived } from "../log.js";
import { fieldsOf, isSame, isSuppressed, originOf, spanContextIn, type Origin } from "../propagation/context.js";
import { active } from "../propagation/current.js";
import { NO_NAMES, replaced, type Headers, type OutgoingHeaders } from "../propagation/headers.js";
import { endSpan, type Failure } from "./failure.js";
import { add, instruments, timing, withError } from "./metrics.js";
import { covers, inForce } from "./policy.js";
import { scopeIn } from "./scope.js";
import { metricAttributes, once, spanName } from "./semconv.js";
import { tracer } from "./tracing.js";

/** What is being sent under one span. */
export interface Sending {
  /** Ends the span; never throws. `told` is what the broker told about the message. */
  end(failure: Failure | null, told: Attributes): void;
}

/** One message on its way: the headers to give to the client, and what ends its span. */
export interface SendingOne extends Sending {
  readonly headers: OutgoingHeaders;
}

/** Several messages on their way under one span: the headers of each, null where the client gets its own. */
export interface SendingAll extends Sending {
  readonly headers: readonly (OutgoingHeaders | null)[];
}

/** A message as far as its context goes. */
export interface Outgoing {
  readonly topic: string;
  readonly headers: Headers;
}

/**
 * Returns a message as it is sent, under a span of its own that is not current; null where it is not traced.
 *
 * When the headers hold a context already: without a current span it is the parent, and replaced. Of the current trace,
 * or of the message that is being processed, it is replaced. Any other is kept, as the application wants it, and linked.
 * Baggage without a context survives unless baggage is current.
 *
 * @param describe - returns the attributes of the span; called only when somebody observes the message.
 */
export function sendOne(message: Outgoing, describe: () => Attributes): SendingOne | null {
  try {
    const ambient = active();
    if (!isTraced(message, ambient)) return null;
    const origin = originOf(message.headers, inForce().duplicates, ambient);
    const parent = spanContextIn(ambient);
    const kept = parent !== null && isForeign(origin.spanContext, parent, ambient) ? origin.spanContext : null;
    const around = contextAround(origin, ambient);
    const span = started(
      around,
      kept === null ? SpanKind.PRODUCER : SpanKind.CLIENT,
      kept === null ? [] : [kept],
      describe,
    );
    const headers =
      kept === null ? carrying(message.headers, around, span, origin.isEmpty) : replaced(message.headers, [], NO_NAMES);
    return { headers, end: ending(span, 1, describe) };
  } catch (error) {
    survived("send", error);
    return null;
  }
}

/**
 * Returns several messages as they are sent, under one span that is not current; null where none is traced.
 *
 * A message keeps the context in its headers, and the span links it, unless that is of the current trace or of the
 * message that is being processed. Without a current span there is no parent to choose among several: each is kept.
 */
export function sendAll(
  messages: readonly Outgoing[],
  describe: (traced: readonly Outgoing[]) => Attributes,
): SendingAll | null {
  try {
    const ambient = active();
    const traced = messages.filter((message) => isTraced(message, ambient));
    if (traced.length === 0) return null;
    const parent = spanContextIn(ambient);
    const kept = new Map<Outgoing, SpanContext>();
    const changed = new Map<Outgoing, Context>();
    for (const message of traced) {
      const origin = originOf(message.headers, inForce().duplicates, ambient);
      const { spanContext } = origin;
      const isKept = spanContext !== null && (parent === null || isForeign(spanContext, parent, ambient));
      if (isKept) kept.set(message, spanContext);
      else changed.set(message, contextAround(origin, ambient));
    }
    const describeTraced = once(() => describe(traced));
    const kind = kept.size < traced.length ? SpanKind.PRODUCER : SpanKind.CLIENT;
    const span = started(ambient, kind, [...kept.values()], describeTraced);
    const headers = messages.map((message) => {
      const around = changed.get(message);
      return around === undefined ? null : carrying(message.headers, around, span, false);
    });
    return { headers, end: ending(span, traced.length, describeTraced) };
  } catch (error) {
    survived("send", error);
    return null;
  }
}

function isTraced(message: Outgoing, ambient: Context): boolean {
  return !isSuppressed(ambient) && covers(message.topic);
}

/**
 * Returns the context in which a message with such headers is sent: theirs where no span is current; the current one where
 * it has a span, with their baggage where they hold nothing else and no baggage is current.
 */
function contextAround(origin: Origin, ambient: Context): Context {
  if (origin.spanContext !== null) return spanContextIn(ambient) === null ? origin.context : ambient;
  return propagation.getBaggage(ambient)?.getAllEntries().length ? ambient : origin.context;
}

function carrying(headers: Headers, around: Context, span: Span | null, isEmpty: boolean): OutgoingHeaders {
  const { fields, names } = fieldsOf(around, span ?? undefined);
  return replaced(headers, fields, isEmpty ? NO_NAMES : names);
}

/** Returns the span, null where none is wanted or none can be had. */
function started(
  around: Context,
  kind: SpanKind,
  kept: readonly SpanContext[],
  describe: () => Attributes,
): Span | null {
  try {
    const found = tracer();
    if (found === null || !inForce().spans) return null;
    const attributes = describe();
    const links: Link[] = kept.map((context) => ({ context }));
    return found.startSpan(spanName(attributes), { kind, attributes, links }, around);
  } catch (error) {
    survived("the start of a span", error);
    return null;
  }
}

/** Returns what ends a span, and counts and times its messages. */
function ending(span: Span | null, count: number, describe: () => Attributes): Sending["end"] {
  const found = instruments();
  const labels = found === null ? {} : metricAttributes(describe());
  const finish = found === null ? null : timing(found.operationDuration, labels);
  return (failure, told) => {
    finish?.(failure);
    if (found !== null) add(found.sent, count, withError(labels, failure));
    if (span === null) return;
    try {
      for (const name of Object.keys(told)) {
        const value = told[name];
        if (value !== undefined) span.setAttribute(name, value);
      }
    } catch (error) {
      survived("send", error);
    }
    endSpan(span, failure);
  };
}

/** Returns whether the headers hold a creation context that the application put there on purpose. */
function isForeign(carried: SpanContext | null, parent: SpanContext, ambient: Context): boolean {
  if (carried === null || carried.traceId === parent.traceId) return false;
  const origin = scopeIn(ambient)?.origin ?? null;
  return origin === null || !isSame(origin, carried);
}
