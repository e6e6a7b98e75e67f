import { ROOT_CONTEXT, type SpanContext } from "@opentelemetry/api";
import { survived } from "../log.js";
import { checkOptions } from "../mistakes.js";
import { fieldsOf, originOf } from "../propagation/context.js";
import { active } from "../propagation/current.js";
import { NO_NAMES, replaced, valuesOf, type Headers, type OutgoingHeaders } from "../propagation/headers.js";
import { inUse } from "../propagation/propagators.js";
import { formatTraceparent, parseTraceparent } from "../propagation/traceparent.js";
import { errorText, type Failure } from "./failure.js";
import { headersIn, payloadOf, type MessagePayload } from "./message.js";
import { inForce } from "./policy.js";
import { scopeIn } from "./scope.js";

const ORIGIN = "unbroken-origin";
const SOURCE = "unbroken-source";
const ATTEMPT = "unbroken-attempt";
const ERROR = "unbroken-error";
/** Bytes of `unbroken-error` at most. */
const MAX_ERROR_LENGTH = 1024;

const OURS: ReadonlySet<string> = new Set([ORIGIN, SOURCE, ATTEMPT, ERROR]);
const TRACE_NAMES = ["traceparent", "tracestate"];

/**
 * Returns the headers to publish a message again with, to a retry topic or a dead-letter queue.
 *
 * The application's headers as they were, then one `traceparent` of the current span (outside the message's handler: the
 * message's own context), then where the message comes from:
 *
 * - `unbroken-origin`: `traceparent` of the first creation context,
 * - `unbroken-source`: `topic/partition/offset` of this message,
 * - `unbroken-attempt`: how often the message was forwarded, from 1,
 * - `unbroken-error`: `Class: text` of `error`, at most 1024 bytes of UTF-8.
 *
 * @throws UnknownMessage when the payload is none. What its message holds never throws.
 */
export function forward(payload: MessagePayload, options: { readonly error?: unknown } = {}): OutgoingHeaders {
  const headers = headersIn(payloadOf(payload).message);
  checkOptions("forward", options);
  const failure = options.error === undefined ? null : { error: options.error };
  try {
    const { fields, names } = fieldsFor(payload, headers, failure);
    return replaced(headers, fields, names);
  } catch (error) {
    survived("forward", error);
    return replaced(headers, [], NO_NAMES);
  }
}

function fieldsFor(
  payload: MessagePayload,
  headers: Headers,
  failure: Failure | null,
): { fields: [string, string][]; names: ReadonlySet<string> } {
  const origin = originOf(headers, inForce().duplicates, ROOT_CONTEXT);
  const current = active();
  const isInside = scopeIn(current)?.message === payload.message;
  const carried = fieldsOf(isInside ? current : origin.context);
  const fields = carried.fields.map(([name, value]): [string, string] => [name, value]);
  const seen = named(headers);
  const first = firstOrigin(seen.get(ORIGIN), origin.spanContext);
  if (first !== null) fields.push([ORIGIN, first]);
  fields.push([SOURCE, sourceOf(payload)]);
  fields.push([ATTEMPT, (attempts(seen.get(ATTEMPT)) + 1).toString()]);
  if (failure !== null) fields.push([ERROR, cut(errorText(failure.error))]);
  return { fields, names: new Set([...carried.names, ...OURS, ...stale()]) };
}

/** Returns where the message is: `topic/partition/offset`, and what a message does not tell is left out at the end. */
function sourceOf({ topic, partition, message }: MessagePayload): string {
  const places: unknown[] = [partition, message.offset];
  const unknown = places.findIndex((place) => place === undefined || place === null);
  return [topic, ...(unknown === -1 ? places : places.slice(0, unknown))].join("/");
}

/** Returns the W3C fields of the message that must not go on; what no propagator in use writes is left as it was. */
function stale(): string[] {
  const used = inUse();
  return [...(used.trace || used.foreign ? TRACE_NAMES : []), ...(used.baggage || used.foreign ? ["baggage"] : [])];
}

/** Returns our own named headers: of several the last, of several origins the first, which is the oldest. */
function named(headers: Headers): ReadonlyMap<string, unknown> {
  const found = new Map<string, unknown>();
  for (const header of Object.keys(headers)) {
    const name = header.toLowerCase();
    if (!OURS.has(name)) continue;
    for (const value of valuesOf(headers[header])) {
      if (name !== ORIGIN || !found.has(ORIGIN)) found.set(name, value);
    }
  }
  return found;
}

function firstOrigin(known: unknown, creation: SpanContext | null): string | null {
  const first = parseTraceparent(known);
  if (first !== null) return formatTraceparent(first.traceId, first.spanId, first.flags);
  return creation === null ? null : formatTraceparent(creation.traceId, creation.spanId, creation.traceFlags);
}

/** Returns the attempts so far; what is no count of at most nine digits is none. */
function attempts(value: unknown): number {
  const text = Buffer.isBuffer(value) ? value.toString("latin1") : value;
  return typeof text === "string" && /^[0-9]{1,9}$/.test(text) ? Number(text) : 0;
}

/** Returns the text, cut at a character so that it fits. */
function cut(text: string): string {
  const octets = Buffer.from(text, "utf8");
  if (octets.length <= MAX_ERROR_LENGTH) return text;
  let end = MAX_ERROR_LENGTH;
  while (((octets[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return octets.toString("utf8", 0, end);
}
