import { SpanKind, trace, type Attributes, type Context, type Link, type Span } from "@opentelemetry/api";
import { survived } from "../log.js";
import { checkFunction, checkOptions } from "../mistakes.js";
import { around, isSame, isSuppressed, originOf, spanContextIn, type Origin } from "../propagation/context.js";
import { active, attached } from "../propagation/current.js";
import { concluded, endSpan, type Failure } from "./failure.js";
import { factsOf, headersIn, payloadOf, type MessagePayload } from "./message.js";
import { add, countMalformed, instruments, record, secondsSince, timing } from "./metrics.js";
import { covers, inForce, knownCorrelation, type Correlation } from "./policy.js";
import { isCounted, NO_SPAN, scopeIn, withScope, type Scope } from "./scope.js";
import {
  clientAttributes,
  metricAttributes,
  once,
  processAttributes,
  spanName,
  type ConsumerFacts,
} from "./semconv.js";
import { tracer } from "./tracing.js";

/** How messages are processed. */
export interface ProcessOptions extends ConsumerFacts {
  /** `parent` or `link` (default: the policy in force). */
  readonly correlation?: Correlation | undefined;
  /** More attributes of the span, given to the sampler. */
  readonly attributes?: Attributes | undefined;
}

/** A block that is open: its context, its scope, and what ends it. */
interface Open {
  readonly inside: Context;
  readonly scope: Scope;
  readonly end: (failure: Failure | null) => void;
}

/**
 * Returns what the handler returns; the span of the message is current in the handler and in all that it awaits.
 *
 * That CONSUMER span is a child of the span that created the message, and the baggage is the message's. It ends when
 * the handler returns or its promise settles. What the handler throws marks the span and passes untouched. `process` of a
 * message inside the handler of the same message is the same block.
 *
 * @param payload - what `eachMessage` is given: topic, partition and message.
 * @param handler - is given the span.
 * @param options - what the consumer tells of itself, `correlation`, more `attributes`.
 * @throws UnknownMessage when the payload is none. What its message holds never throws.
 */
export function process<R>(payload: MessagePayload, handler: (span: Span) => R, options: ProcessOptions = {}): R {
  payloadOf(payload);
  checkFunction("process", handler);
  checkOptions("process", options);
  knownCorrelation(options.correlation);
  const ambient = active();
  const outer = scopeIn(ambient);
  if (outer?.message === payload.message) return handler(outer.span);
  const open = opened(payload, options, ambient);
  if (open === null) return handler(NO_SPAN);
  // Within the context: a query that runs only once its `then` is called runs in it too.
  return attached(open.inside, () => concluded(() => handler(open.scope.span), open.end));
}

/** Returns the open block of a message, null when nothing of it is traced. Never throws. */
function opened(payload: MessagePayload, options: ProcessOptions, ambient: Context): Open | null {
  try {
    if (isSuppressed(ambient) || !covers(payload.topic)) return null;
    const origin = originOf(headersIn(payload.message), inForce().duplicates, around(ambient));
    const describe = once(() => described(payload, options));
    countMalformed(origin.malformed, describe);
    const finish = timed(payload, describe, ambient);
    const span = started(options, describe, ambient, origin);
    const current = span ?? trace.getSpan(origin.context) ?? NO_SPAN;
    const scope: Scope = { message: payload.message, origin: origin.spanContext, span: current };
    const inside = withScope(span === null ? origin.context : trace.setSpan(origin.context, span), scope);
    const end = (failure: Failure | null): void => {
      finish?.(failure);
      if (span !== null) endSpan(span, failure);
    };
    return { inside, scope, end };
  } catch (error) {
    survived("process", error);
    return null;
  }
}

/** Returns the span of the message, null where none is wanted or none can be had. */
function started(options: ProcessOptions, describe: () => Attributes, ambient: Context, origin: Origin): Span | null {
  try {
    const rules = inForce();
    const found = tracer();
    if (found === null || !rules.spans) return null;
    const isChild = (options.correlation ?? rules.correlation) === "parent";
    const attributes = describe();
    const parent = isChild ? origin.context : trace.deleteSpan(origin.context);
    const links = linksOf(origin, ambient);
    return found.startSpan(spanName(attributes), { kind: SpanKind.CONSUMER, attributes, links }, parent);
  } catch (error) {
    survived("the start of a span", error);
    return null;
  }
}

/** Returns the links to what created the message, and to the span that is current around it. */
function linksOf(origin: Origin, ambient: Context): Link[] {
  const links: Link[] = origin.spanContext === null ? [] : [{ context: origin.spanContext }];
  for (const other of origin.others) links.push({ context: other });
  const seen = spanContextIn(ambient);
  if (seen !== null && !links.some((link) => isSame(link.context, seen))) links.push({ context: seen });
  return links;
}

/** Returns what records the duration at the end, null without metrics. Never throws. */
function timed(
  payload: MessagePayload,
  describe: () => Attributes,
  ambient: Context,
): ((failure: Failure | null) => void) | null {
  const found = instruments();
  if (found === null) return null;
  const attributes = metricAttributes(describe());
  if (!isCounted(ambient, payload.message)) add(found.consumed, 1, attributes);
  const waited = secondsSince(payload.message.timestamp);
  if (waited !== null) record(found.queueDuration, waited, attributes);
  return timing(found.processDuration, attributes);
}

function described(payload: MessagePayload, options: ProcessOptions): Attributes {
  const attributes = { ...processAttributes(factsOf(payload)), ...clientAttributes(options) };
  for (const [name, value] of Object.entries(options.attributes ?? {})) {
    if (value !== undefined && value !== null) attributes[name] = value;
  }
  return attributes;
}
