/** Headers in a shape that no client takes. */
export class UnknownCarrier extends TypeError {
  override readonly name = "UnknownCarrier";

  constructor(headers: unknown) {
    super(`headers are an object of names and values, not ${Array.isArray(headers) ? "an array" : typeof headers}`);
  }
}

const SPACE = 0x20;
const TAB = 0x09;
const NOT_ASCII = /[^\0-\x7f]/;

/**
 * Returns the octets of a header, one character each, without the white space around them; an empty text for a null, and
 * null for text beyond ASCII and for what is neither octets nor text.
 */
export function octets(value: unknown): string | null {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return NOT_ASCII.test(value) ? null : trimmed(value);
  if (Buffer.isBuffer(value)) return trimmed(value.toString("latin1"));
  if (value instanceof Uint8Array)
    return trimmed(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("latin1"));
  return null;
}

/** Returns the text without spaces and tabs around it; a regular expression for this is quadratic. */
export function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start += 1;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end -= 1;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

/** Yields the list-members between commas, without white space around them; an empty header is one empty member. */
export function* listMembers(header: string): Generator<string> {
  let start = 0;
  while (start <= header.length) {
    const comma = header.indexOf(",", start);
    const end = comma === -1 ? header.length : comma;
    yield trimmed(header.slice(start, end));
    start = end + 1;
  }
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}
