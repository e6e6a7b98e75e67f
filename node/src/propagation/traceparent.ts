import { octets } from "./octets.js";

/** The identity of the caller: ids in lower-case hexadecimal, flags of which only *sampled* and *random* are kept. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
}

const SAMPLED = 0x01;
export const RANDOM = 0x02;
const KNOWN_FLAGS = SAMPLED | RANDOM;

// Trace Context level 2, sections 3.2.2.1 and 3.2.4. Group 5 is what a version after 00 may append.
//   version-format = trace-id "-" parent-id "-" trace-flags      (lower-case hexadecimal)
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[^]*)?$/;
const NO_TRACE = "0".repeat(32);
const NO_SPAN = "0".repeat(16);

/** Returns the parent that a `traceparent` value names, null when it breaks the grammar of section 3.2.2. */
export function parseTraceparent(value: unknown): TraceParent | null {
  const match = TRACEPARENT.exec(octets(value) ?? "");
  if (match === null) return null;
  const [, version, traceId = "", spanId = "", flags = "", rest] = match;
  if (version === "ff") return null; // forbidden
  if (version === "00" && rest !== undefined) return null;
  if (traceId === NO_TRACE || spanId === NO_SPAN) return null;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) & KNOWN_FLAGS };
}

/** Returns the 55 characters of a version-00 `traceparent`. */
export function formatTraceparent(traceId: string, spanId: string, flags: number): string {
  return `00-${traceId}-${spanId}-0${(flags & KNOWN_FLAGS).toString()}`;
}
