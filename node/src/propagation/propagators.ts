import { isUtf8 } from "node:buffer";
import { propagation, type Context, type TextMapGetter, type TextMapSetter } from "@opentelemetry/api";
import { valuesOf, type Fields, type Headers } from "./headers.js";
import type { Duplicates } from "./read.js";

/** What the global propagator amounts to: which of the W3C fields it carries, or a propagator of another kind. */
export interface Propagators {
  readonly trace: boolean;
  readonly baggage: boolean;
  readonly foreign: boolean;
}

/** Without a global propagator the context travels all the same. */
const W3C: Propagators = { trace: true, baggage: true, foreign: false };
const MAX_SHOWN = 128;
/** The bit in which the two cases of a letter differ. */
const CASE = 0x20;
const FOREIGN: Propagators = { trace: false, baggage: false, foreign: true };

/** Returns what the global propagator amounts to, judged by the fields that it says it writes. */
export function inUse(): Propagators {
  const fields = propagation.fields();
  if (fields.length === 0) return W3C;
  let trace = false;
  let baggage = false;
  for (const field of fields) {
    if (field === "traceparent") trace = true;
    else if (field === "baggage") baggage = true;
    else if (field !== "tracestate") return FOREIGN;
  }
  return trace && baggage ? W3C : { trace, baggage, foreign: false };
}

/** Returns the context with what the global propagator finds in the headers. May throw what the propagator throws. */
export function extractForeign(headers: Headers, duplicates: Duplicates, base: Context): Context {
  return propagation.extract(base, new HeaderTexts(headers, duplicates), GETTER);
}

/** Returns the fields that the global propagator writes, and the names that they replace; nothing when it throws. */
export function injectForeign(context: Context): { fields: Fields; names: ReadonlySet<string> } {
  const written = new Map<string, string>();
  propagation.inject(context, written, COLLECTOR);
  if (written.size === 0) return { fields: [], names: new Set() };
  const names = [...written.keys(), ...propagation.fields()].map((name) => name.toLowerCase());
  return { fields: [...written], names: new Set(names) };
}

const COLLECTOR: TextMapSetter<Map<string, string>> = {
  set(carrier, key, value) {
    carrier.set(key, value);
  },
};

/**
 * The headers of a message as a propagator other than W3C reads them: a value that is not UTF-8 is none, and of several
 * values of a name that which counts comes first, as propagators take the first.
 *
 * A header is found by its name, whatever its case, wherever it stands. A propagator that looks through the names is shown
 * 128 of them, and as many values of a name: it may do anything with each, and a message may have tens of thousands.
 */
class HeaderTexts {
  readonly #headers: Headers;
  readonly #isNewestFirst: boolean;
  readonly #names: readonly string[];
  /** The names that are shown, by their lower case. */
  readonly #shown = new Map<string, string[]>();

  constructor(headers: Headers, duplicates: Duplicates) {
    this.#headers = headers;
    this.#isNewestFirst = duplicates === "last";
    this.#names = Object.keys(headers);
    for (const name of this.#those(this.#names)) {
      const known = this.#shown.get(name.toLowerCase());
      if (known === undefined) this.#shown.set(name.toLowerCase(), [name]);
      else known.push(name);
    }
  }

  keys(): string[] {
    return [...this.#shown.keys()];
  }

  get(name: string): string[] {
    const lower = name.toLowerCase();
    const last = lower.charCodeAt(lower.length - 1) | CASE;
    // The length, and one letter, of every other name are enough.
    const isNamed = (one: string): boolean =>
      one.length === lower.length && (one.charCodeAt(one.length - 1) | CASE) === last && one.toLowerCase() === lower;
    const names = this.#shown.get(lower) ?? this.#those(this.#names.filter(isNamed));
    const values = names.flatMap((one) => this.#those(valuesOf(this.#headers[one])));
    return values.slice(0, MAX_SHOWN).flatMap((value) => utf8(value) ?? []);
  }

  /** Returns those of names or values, in their order on the wire, that are shown: first what counts. */
  #those<T>(all: readonly T[]): T[] {
    return this.#isNewestFirst ? all.slice(-MAX_SHOWN).reverse() : all.slice(0, MAX_SHOWN);
  }
}

const GETTER: TextMapGetter<HeaderTexts> = {
  get(carrier, key) {
    const values = carrier.get(key);
    return values.length > 1 ? values : values[0];
  },
  keys(carrier) {
    return carrier.keys();
  },
};

/** Returns text, or octets that are UTF-8, as text; null for all else. */
export function utf8(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (!(value instanceof Uint8Array) || !isUtf8(value)) return null;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("utf8");
}
