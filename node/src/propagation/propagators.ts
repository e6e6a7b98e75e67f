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
  const texts = textsOf(headers);
  // Propagators take the first of several values.
  if (duplicates === "last") for (const values of texts.values()) values.reverse();
  return propagation.extract(base, texts, GETTER);
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

const GETTER: TextMapGetter<ReadonlyMap<string, string[]>> = {
  get(carrier, key) {
    const values = carrier.get(key.toLowerCase());
    return values?.length === 1 ? values[0] : values;
  },
  keys(carrier) {
    return [...carrier.keys()];
  },
};

/** Returns the headers as text by their lower-case names; a value that is not UTF-8 is no value for a propagator. */
function textsOf(headers: Headers): Map<string, string[]> {
  const texts = new Map<string, string[]>();
  for (const name of Object.keys(headers)) {
    for (const value of valuesOf(headers[name])) {
      const text = utf8(value);
      if (text === null) continue;
      const known = texts.get(name.toLowerCase());
      if (known === undefined) texts.set(name.toLowerCase(), [text]);
      else known.push(text);
    }
  }
  return texts;
}

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Returns text, or octets that are UTF-8, as text; null for all else. */
export function utf8(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (!(value instanceof Uint8Array)) return null;
  try {
    return STRICT.decode(value);
  } catch {
    return null;
  }
}
