import { readFileSync } from "node:fs";
import path from "node:path";
import type { HeaderValue, Headers } from "../src/index.js";

/** Headers of a vector: names and values in base64, in their order on the wire. */
export type WireHeaders = readonly (readonly [name: string, value: string | null])[];

export interface Identity {
  readonly trace_id: string | null;
  readonly span_id: string | null;
  readonly flags?: string | null;
}

export interface Carried extends Identity {
  readonly tracestate: string | null;
}

export interface ExtractVector {
  readonly id: string;
  readonly headers: WireHeaders | null;
  readonly duplicates: "last" | "restart";
  readonly expect: Carried & {
    readonly outcome: string;
    readonly baggage: Record<string, { value: string; properties: string }>;
    readonly links: readonly Identity[];
    readonly malformed: readonly string[];
  };
}

export interface InjectVector {
  readonly id: string;
  readonly context: Carried & {
    readonly baggage: readonly { readonly name: string; readonly value: string; readonly properties: string }[];
  };
  readonly headers: WireHeaders | null;
  readonly expect: { readonly headers: WireHeaders };
}

export interface WireMessage {
  readonly destination: string;
  readonly partition: number;
  readonly offset: number;
  readonly key?: string | null;
  readonly value?: string | null;
  readonly headers: WireHeaders | null;
  readonly group?: string | null;
  readonly client_id?: string | null;
}

export interface ProcessVector {
  readonly id: string;
  readonly message: WireMessage;
  readonly ambient: { readonly traceparent: string | null; readonly baggage: Record<string, string> } | null;
  readonly policy: Record<string, unknown>;
  readonly error: string | null;
  readonly expect: {
    readonly span: (Record<string, unknown> & { readonly links: readonly Identity[] }) | null;
    readonly current: Identity | null;
    readonly baggage: Record<string, string>;
  };
}

export interface SendVector {
  readonly id: string;
  readonly destination: string;
  readonly headers: WireHeaders | null;
  readonly ambient: ProcessVector["ambient"];
  readonly processing: { readonly headers: WireHeaders } | null;
  readonly policy: Record<string, unknown>;
  readonly expect: {
    readonly span: (Record<string, unknown> & { readonly links: readonly Identity[] }) | null;
    readonly headers: WireHeaders;
  };
}

export interface ForwardVector {
  readonly id: string;
  readonly message: WireMessage;
  readonly block: boolean;
  readonly current: Carried | null;
  readonly error: { readonly type: string; readonly message: string } | null;
  readonly expect: { readonly headers: WireHeaders };
}

/** The root of the package: tests run from build/test. */
export const PACKAGE = path.join(__dirname, "..", "..");

const FOLDER = path.join(PACKAGE, "..", "conformance");

/** Returns the vectors of a file. */
export function vectors<V>(file: string): V[] {
  return (JSON.parse(readFileSync(path.join(FOLDER, `${file}.json`), "utf8")) as { vectors: V[] }).vectors;
}

/** Returns the octets of base64, null for null. */
export function octetsOf(text: string | null | undefined): Buffer | null {
  return text === null || text === undefined ? null : Buffer.from(text, "base64");
}

/** Returns headers as KafkaJS decodes them: an array of values for a name that repeats. */
export function headersOf(wire: WireHeaders | null): Headers | undefined {
  if (wire === null) return undefined;
  const headers = new Map<string, HeaderValue | null | (HeaderValue | null)[]>();
  for (const [name, text] of wire) {
    const value = octetsOf(text);
    const known = headers.get(name);
    if (known === undefined) headers.set(name, value);
    else headers.set(name, Array.isArray(known) ? [...known, value] : [known, value]);
  }
  return Object.fromEntries(headers);
}

/** Returns headers as a client writes them: all values of a name together, at the place of its first. */
export function wireOf(headers: Headers): [string, string | null][] {
  return Object.keys(headers).flatMap((name) => {
    const value = headers[name];
    const values: readonly (HeaderValue | null)[] = Array.isArray(value) ? value : [value as HeaderValue | null];
    return values.map((one): [string, string | null] => [
      name,
      one === null ? null : Buffer.from(one as string).toString("base64"),
    ]);
  });
}

/** Returns wire headers with all values of a name together: an object cannot hold another order. */
export function grouped(wire: WireHeaders): [string, string | null][] {
  return wireOf(headersOf(wire) ?? {});
}
