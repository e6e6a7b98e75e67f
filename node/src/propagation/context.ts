import {
  createContextKey,
  INVALID_SPANID,
  INVALID_TRACEID,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  trace,
  type Context,
  type Span,
  type SpanContext,
} from "@opentelemetry/api";
import { survived } from "../log.js";
import { checkContext } from "../mistakes.js";
import { baggageOf, formatBaggage } from "./baggage.js";
import { active } from "./current.js";
import { headersOf, NO_NAMES, replaced, type Fields, type Headers, type OutgoingHeaders } from "./headers.js";
import { extractForeign, injectForeign, inUse } from "./propagators.js";
import { read, type Duplicates, type Malformed } from "./read.js";
import { formatTraceparent, RANDOM, type TraceParent } from "./traceparent.js";
import { formatTracestate, LevelTwoState } from "./tracestate.js";

/** What the headers of a message say about where it comes from. */
export interface Origin {
  /** The creation context, null where the headers carry none. */
  readonly spanContext: SpanContext | null;
  /** Other creation contexts that the headers name. */
  readonly others: readonly SpanContext[];
  /** How often each malformed field is counted. */
  readonly malformed: Malformed;
  /** Whether the headers hold no propagation field, so that there is nothing to replace in them. */
  readonly isEmpty: boolean;
  /** The context that was given, with creation context and baggage. */
  readonly context: Context;
}

// The SDK keeps only *sampled* of a parent's flags; a trace id stays random for as long as the trace lasts.
const RANDOM_KEY = createContextKey("unbroken-random-trace");
// What suppressTracing of @opentelemetry/core sets; keys of equal names are equal.
const SUPPRESSED_KEY = createContextKey("OpenTelemetry SDK Context Key SUPPRESS_TRACING");
const W3C_NAMES: ReadonlySet<string> = new Set(["traceparent", "tracestate", "baggage"]);
const NONE: readonly never[] = [];
const NO_FIELDS: Malformed = new Map();
const BAGGAGE_NAMES: ReadonlySet<string> = new Set(["baggage"]);

/**
 * Returns a copy of the headers that carries the context (default: the current one).
 *
 * Each propagation field is replaced wherever it stands and in whatever case, and comes last; all other headers stay as
 * they are. A context without span and baggage leaves them all.
 *
 * @throws UnknownCarrier when `headers` is no object. What it holds never throws.
 */
export function inject(headers?: Headers | null, context: Context = active()): OutgoingHeaders {
  const given = headersOf(headers);
  checkContext("inject", context);
  const { fields, names } = fieldsOf(context);
  return replaced(given, fields, names);
}

/** Returns what the headers carry, put on top of `base`; never throws, whatever they hold. */
export function originOf(headers: Headers, duplicates: Duplicates, base: Context): Origin {
  try {
    const used = inUse();
    return used.foreign ? foreignOrigin(headers, duplicates, base) : w3cOrigin(headers, duplicates, base, used);
  } catch (error) {
    survived("extract", error);
    return { spanContext: null, others: [], malformed: new Map([["foreign", 1]]), isEmpty: false, context: base };
  }
}

/** Returns the propagation fields that carry the context, and the names (lower case) that they replace. */
export function fieldsOf(context: Context, span?: Span): { fields: Fields; names: ReadonlySet<string> } {
  try {
    const used = inUse();
    if (used.foreign) return injectForeign(span === undefined ? context : trace.setSpan(context, span));
    const fields: [string, string][] = [];
    let names = NO_NAMES;
    const spanContext = used.trace ? (span ?? trace.getSpan(context))?.spanContext() : undefined;
    // The ids of our own span were made by a tracer, and need no look at each digit; those of another may be by hand.
    if (spanContext !== undefined && (span === undefined ? isSpanContextValid(spanContext) : !isNone(spanContext))) {
      names = W3C_NAMES;
      const { traceId, spanId, traceFlags } = spanContext;
      const random = context.getValue(RANDOM_KEY) === traceId ? RANDOM : 0;
      fields.push(["traceparent", formatTraceparent(traceId, spanId, traceFlags | random)]);
      const state = spanContext.traceState === undefined ? "" : formatTracestate(spanContext.traceState);
      if (state !== "") fields.push(["tracestate", state]);
    }
    const baggage = used.baggage ? propagation.getBaggage(context) : undefined;
    const header = baggage === undefined ? "" : formatBaggage(baggage);
    if (header !== "") {
      fields.push(["baggage", header]);
      if (names.size === 0) names = BAGGAGE_NAMES;
    }
    return { fields, names };
  } catch (error) {
    survived("inject", error);
    return { fields: [], names: NO_NAMES };
  }
}

/** Returns the context without its span and its baggage; what else the application keeps there stays. */
export function around(context: Context): Context {
  if (context === ROOT_CONTEXT) return context;
  const spanless = trace.getSpan(context) === undefined ? context : trace.deleteSpan(context);
  return propagation.getBaggage(spanless) === undefined ? spanless : propagation.deleteBaggage(spanless);
}

/** Returns the span context that is current in the context, null when there is no valid one. */
export function spanContextIn(context: Context): SpanContext | null {
  const spanContext = trace.getSpanContext(context);
  return spanContext === undefined || isNone(spanContext) ? null : spanContext;
}

/** Returns whether tracing is suppressed in the context (`suppressTracing`). */
export function isSuppressed(context: Context): boolean {
  return context.getValue(SUPPRESSED_KEY) === true;
}

/** Returns whether two span contexts are of the same span. */
export function isSame(one: SpanContext, other: SpanContext): boolean {
  return one.spanId === other.spanId && one.traceId === other.traceId;
}

/** Returns whether a span context is the one that stands for none: all zeroes. */
function isNone({ traceId, spanId }: SpanContext): boolean {
  return traceId === INVALID_TRACEID || spanId === INVALID_SPANID;
}

function w3cOrigin(
  headers: Headers,
  duplicates: Duplicates,
  base: Context,
  used: { readonly trace: boolean; readonly baggage: boolean },
): Origin {
  const carried = read(headers, duplicates);
  if (carried.isEmpty) return { spanContext: null, others: NONE, malformed: NO_FIELDS, isEmpty: true, context: base };
  let context = base;
  let spanContext: SpanContext | null = null;
  if (used.trace && carried.parent !== null) {
    spanContext = remote(carried.parent, carried.tracestate);
    context = trace.setSpanContext(context, spanContext);
    if (carried.parent.flags & RANDOM) context = context.setValue(RANDOM_KEY, spanContext.traceId);
  }
  if (used.baggage && carried.baggage.size > 0) context = propagation.setBaggage(context, baggageOf(carried.baggage));
  const others = used.trace ? carried.others.map((other) => remote(other)) : [];
  return { spanContext, others, malformed: carried.malformed, isEmpty: false, context };
}

function foreignOrigin(headers: Headers, duplicates: Duplicates, base: Context): Origin {
  const context = extractForeign(headers, duplicates, base);
  // What a propagator leaves of the context that it was given is not what it has found.
  const found = trace.getSpanContext(context);
  const isFound = found !== undefined && found !== trace.getSpanContext(base) && isSpanContextValid(found);
  return { spanContext: isFound ? found : null, others: NONE, malformed: NO_FIELDS, isEmpty: false, context };
}

function remote(parent: TraceParent, state?: ReadonlyMap<string, string>): SpanContext {
  const spanContext: SpanContext = {
    traceId: parent.traceId,
    spanId: parent.spanId,
    traceFlags: parent.flags,
    isRemote: true,
  };
  if (state !== undefined && state.size > 0) spanContext.traceState = new LevelTwoState(state);
  return spanContext;
}
