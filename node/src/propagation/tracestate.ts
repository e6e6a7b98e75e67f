import type { TraceState } from "@opentelemetry/api";
import { listMembers, octets } from "./octets.js";

const MAX_MEMBERS = 32;
/** Characters that are written at most: what other OpenTelemetry SDKs read. W3C asks for at least 512. */
const MAX_LENGTH = 8192;
/** Members above this length are the first to go when there are too many characters (section 3.3.1.5). */
const LONG_MEMBER = 128;

// Trace Context level 2, section 3.3.1.3.
//   key = ( lcalpha / DIGIT ) 0*255 ( lcalpha / DIGIT / "_" / "-"/ "*" / "/" / "@" )
//   value = 0*255(chr) nblk-chr     (printable ASCII without "," and "=")
const MEMBER = /^([a-z0-9][a-z0-9_\-*/@]{0,255})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])$/;

/** A `tracestate` that keeps what level 2 allows; OpenTelemetry's own knows level 1 only. */
export class LevelTwoState implements TraceState {
  readonly #members: ReadonlyMap<string, string>;

  constructor(members: ReadonlyMap<string, string>) {
    this.#members = members;
  }

  /** Returns a copy in which the key stands first, with this value; with more than 32 members the last goes. */
  set(key: string, value: string): TraceState {
    if (!MEMBER.test(`${key}=${value}`)) return this;
    const others = [...this.#members].filter(([other]) => other !== key);
    return new LevelTwoState(new Map([[key, value], ...others.slice(0, MAX_MEMBERS - 1)]));
  }

  /** Returns a copy without the key. */
  unset(key: string): TraceState {
    return new LevelTwoState(new Map([...this.#members].filter(([other]) => other !== key)));
  }

  /** Returns the value of a key. */
  get(key: string): string | undefined {
    return this.#members.get(key);
  }

  /** Returns the header text, whole. */
  serialize(): string {
    return Array.from(this.#members, ([key, value]) => `${key}=${value}`).join(",");
  }
}

/**
 * Returns the members of all `tracestate` headers of a carrier, in order; of duplicate keys the first. Null when one member
 * breaks the grammar of section 3.3.1, or there are more than 32, empty ones too.
 */
export function parseTracestate(values: readonly unknown[]): ReadonlyMap<string, string> | null {
  const members = new Map<string, string>();
  let count = 0;
  for (const value of values) {
    const header = octets(value);
    if (header === null) return null;
    for (const text of listMembers(header)) {
      count += 1;
      if (count > MAX_MEMBERS) return null;
      if (text === "") continue;
      const match = MEMBER.exec(text);
      if (match === null) return null;
      const [, key = "", member = ""] = match;
      if (!members.has(key)) members.set(key, member);
    }
  }
  return members;
}

/**
 * Returns a `tracestate` of at most `limit` characters.
 *
 * Whole members are left out until it fits: first those over 128 characters, then from the end.
 */
export function formatTracestate(state: TraceState, limit = MAX_LENGTH): string {
  const text = state.serialize();
  if (text.length <= limit) return text;
  const members = text.split(",");
  let excess = text.length - limit;
  for (let position = members.length - 1; excess > 0 && position >= 0; position -= 1) {
    const length = members[position]?.length ?? 0;
    if (length > LONG_MEMBER) {
      members.splice(position, 1);
      excess -= length + 1;
    }
  }
  while (excess > 0 && members.length > 0) excess -= (members.pop()?.length ?? 0) + 1;
  return members.join(",");
}
