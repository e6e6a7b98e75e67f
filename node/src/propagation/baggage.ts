import { baggageEntryMetadataFromString, propagation, type Baggage, type BaggageEntry } from "@opentelemetry/api";
import { MAX_LISTS } from "./headers.js";
import { listMembers, octets, trimmed } from "./octets.js";

const MAX_MEMBERS = 64;
const MAX_LENGTH = 8192;

// W3C Baggage, section 3.3.1.   baggage-octet = %x21 / %x23-2B / %x2D-3A / %x3C-5B / %x5D-7E
const NAME = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const VALUE = "[\\x21\\x23-\\x2b\\x2d-\\x3a\\x3c-\\x5b\\x5d-\\x7e]+";
// White space after a value belongs to the value: were both optional on their own, 8 KB of spaces would take long.
const MEMBER = new RegExp(`^(${NAME})[ \\t]*=[ \\t]*(?:(${VALUE})[ \\t]*)?(?:;([^]*))?$`);
const PROPERTY = new RegExp(`^[ \\t]*${NAME}[ \\t]*(?:=[ \\t]*(?:${VALUE}[ \\t]*)?)?$`);

// Written without percent-encoding: the octets above without "%" (it starts an encoding), and without "+", which some
// readers turn into a space.
const PLAIN_IN_VALUE = /^[!#$&'()*\-./0-9:<=>?@A-Z[\]^_`a-z{|}~]*$/;
const PLAIN_IN_NAME = /^[!#$&'*\-.0-9A-Z^_`a-z|~]*$/;

/** What all `baggage` headers of a carrier hold, and how often something had to be left out. */
export interface ReadBaggage {
  readonly members: ReadonlyMap<string, Member>;
  readonly malformed: number;
}

/** The decoded value of a member, and the text after its first `;`, as received. */
export interface Member {
  readonly value: string;
  readonly properties: string;
}

/**
 * Returns the members of the first 64 headers; one that breaks the grammar is left out alone, as is a header that is no
 * text. Reading stops at the first that does not fit into 64 members, empty ones too, and 8192 bytes.
 */
export function parseBaggage(values: readonly unknown[]): ReadBaggage {
  const members = new Map<string, Member>();
  let malformed = 0;
  let count = 0;
  let length = 0;
  for (const value of values.slice(0, MAX_LISTS)) {
    const header = octets(value);
    if (header === null) {
      malformed += 1;
      continue;
    }
    for (const text of listMembers(header)) {
      count += 1;
      length += text.length + (count > 1 ? 1 : 0);
      if (count > MAX_MEMBERS || length > MAX_LENGTH) return { members, malformed: malformed + 1 };
      if (text === "") continue;
      const found = parseMember(text);
      if (found === null) malformed += 1;
      else members.set(...found);
    }
  }
  return { members, malformed: values.length > MAX_LISTS ? malformed + 1 : malformed };
}

/** Returns what OpenTelemetry keeps in a context for these members. */
export function baggageOf(members: ReadonlyMap<string, Member>): Baggage {
  let baggage = propagation.createBaggage();
  for (const [name, { value, properties }] of members) {
    // One by one: an object of them all would sort the names that are numbers first.
    const entry = properties === "" ? { value } : { value, metadata: baggageEntryMetadataFromString(properties) };
    baggage = baggage.setEntry(name, entry);
  }
  return baggage;
}

/**
 * Returns a `baggage` header of at most 64 members and 8192 bytes.
 *
 * A member that does not fit, or whose text cannot be had, is left out whole.
 */
export function formatBaggage(baggage: Baggage): string {
  const texts: string[] = [];
  let length = -1;
  for (const [name, entry] of baggage.getAllEntries()) {
    if (name === "" || texts.length === MAX_MEMBERS) continue;
    const text = memberText(name, entry);
    if (text !== "" && length + 1 + text.length <= MAX_LENGTH) {
      length += 1 + text.length;
      texts.push(text);
    }
  }
  return texts.join(",");
}

/** Returns the name and the value of a member, null when it breaks the grammar. */
function parseMember(text: string): [string, Member] | null {
  const match = MEMBER.exec(text);
  if (match === null) return null;
  const [, name = "", value = "", properties] = match;
  if (properties !== undefined && !areProperties(properties)) return null;
  return [unquoted(name), { value: unquoted(value), properties: trimmed(properties ?? "") }];
}

/** Returns `name=value;properties`, an empty text when the application's value has no text. */
function memberText(name: string, { value, metadata }: BaggageEntry): string {
  try {
    const text = `${quoted(name, PLAIN_IN_NAME)}=${quoted(value, PLAIN_IN_VALUE)}`;
    const properties = metadata?.toString() ?? "";
    return properties !== "" && areProperties(properties) ? `${text};${properties}` : text;
  } catch {
    return "";
  }
}

function areProperties(text: string): boolean {
  return text.split(";").every((part) => PROPERTY.test(part));
}

function quoted(text: string, plain: RegExp): string {
  if (plain.test(text)) return text;
  let quotedText = "";
  for (const octet of Buffer.from(text, "utf8")) {
    const character = String.fromCharCode(octet);
    quotedText += octet < 0x80 && plain.test(character) ? character : `%${hex(octet)}`;
  }
  return quotedText;
}

function hex(octet: number): string {
  return octet.toString(16).toUpperCase().padStart(2, "0");
}

/** Returns the text that percent-encoded UTF-8 stands for; what is no encoding stands for itself. */
function unquoted(text: string): string {
  if (!text.includes("%")) return text;
  const decoded = text.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return Buffer.from(decoded, "latin1").toString("utf8");
}
