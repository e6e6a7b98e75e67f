import type { Duplicates } from "../propagation/read.js";

/** The creation context is `parent` and link of the process span, or only a `link`. */
export type Correlation = "parent" | "link";

/** How messages are traced; `configure` puts one in force. */
export interface Policy {
  /** The creation context is `parent` and link of the process span, or only a `link`. */
  readonly correlation: Correlation;
  /** What several different `traceparent` values mean: the `last` counts, or a `restart`. */
  readonly duplicates: Duplicates;
  /** False propagates context and makes no spans. */
  readonly spans: boolean;
  /** Glob patterns of the destinations that are traced; none means all. */
  readonly only: readonly string[];
  /** Glob patterns of the destinations that are left alone: no span, no context. */
  readonly ignore: readonly string[];
  /** Put the message's key on the spans. */
  readonly messageKey: boolean;
}

const DEFAULT: Policy = Object.freeze({
  correlation: "parent",
  duplicates: "last",
  spans: true,
  only: Object.freeze([]),
  ignore: Object.freeze([]),
  messageKey: true,
});
const MAX_REMEMBERED = 1024;

let policy: Policy = DEFAULT;
let only: readonly RegExp[] = [];
let ignore: readonly RegExp[] = [];
let remembered = new Map<string, boolean>();

/**
 * Puts a policy in force for the process and returns the one before; what is not given has its default.
 *
 * @throws TypeError for a value that is none of those of `Policy`, and for a name that it does not have.
 */
export function configure(changes: Partial<Policy> = {}): Policy {
  for (const name of Object.keys(changes)) {
    if (!Object.hasOwn(DEFAULT, name)) throw new TypeError(`a policy has no ${name}`);
  }
  const next = Object.freeze({ ...DEFAULT, ...given(changes) });
  oneOf("correlation", next.correlation, ["parent", "link"]);
  oneOf("duplicates", next.duplicates, ["last", "restart"]);
  oneOf("spans", next.spans, [true, false]);
  oneOf("messageKey", next.messageKey, [true, false]);
  const compiled = { only: patterns("only", next.only), ignore: patterns("ignore", next.ignore) };
  const before = policy;
  ({ only, ignore } = compiled);
  remembered = new Map();
  policy = next;
  return before;
}

/**
 * Accepts a correlation, or none.
 *
 * @throws TypeError for any other value.
 */
export function knownCorrelation(correlation: Correlation | undefined): void {
  if (correlation !== undefined) oneOf("correlation", correlation, ["parent", "link"]);
}

/** Returns the policy in force. */
export function inForce(): Policy {
  return policy;
}

/** Returns whether messages of this destination are traced. */
export function covers(destination: string): boolean {
  if (only.length === 0 && ignore.length === 0) return true;
  let covered = remembered.get(destination);
  if (covered === undefined) {
    covered =
      (only.length === 0 || only.some((pattern) => pattern.test(destination))) &&
      !ignore.some((pattern) => pattern.test(destination));
    if (remembered.size === MAX_REMEMBERED) remembered.clear();
    remembered.set(destination, covered);
  }
  return covered;
}

/**
 * Returns the value.
 *
 * @throws TypeError unless it is one of the values allowed.
 */
export function oneOf<T>(name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value))
    throw new TypeError(`${name} must be one of ${allowed.join(", ")}, not ${String(value)}`);
  return value;
}

/** Returns the changes without those that are undefined, which a spread would put in the place of a default. */
function given(changes: Partial<Policy>): Partial<Policy> {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}

function patterns(name: string, globs: unknown): RegExp[] {
  if (!Array.isArray(globs) || !globs.every((glob) => typeof glob === "string")) {
    throw new TypeError(`${name} must be an array of patterns`);
  }
  return globs.map(patternOf);
}

/** Returns the regular expression of a glob: `*`, `?`, `[seq]` and `[!seq]`; all else stands for itself. */
function patternOf(glob: string): RegExp {
  let source = "";
  let position = 0;
  while (position < glob.length) {
    const character = glob.charAt(position);
    const end = character === "[" ? glob.indexOf("]", position + (glob.charAt(position + 1) === "!" ? 3 : 2)) : -1;
    if (end !== -1) {
      source += setOf(glob.slice(position + 1, end));
      position = end + 1;
      continue;
    }
    if (character === "*") source += "[^]*";
    else if (character === "?") source += "[^]";
    else source += escaped(character);
    position += 1;
  }
  return new RegExp(`^${source}$`);
}

/** Returns the regular expression of what stands between brackets; a range that runs backwards holds nothing. */
function setOf(members: string): string {
  const isNegated = members.startsWith("!");
  let listed = "";
  let position = isNegated ? 1 : 0;
  while (position < members.length) {
    const first = members.charAt(position);
    const last = members.charAt(position + 1) === "-" ? members.charAt(position + 2) : "";
    if (last === "") listed += escapedInSet(first);
    else if (first <= last) listed += `${escapedInSet(first)}-${escapedInSet(last)}`;
    position += last === "" ? 1 : 3;
  }
  return `[${isNegated ? "^" : ""}${listed}]`;
}

function escapedInSet(character: string): string {
  return character.replace(/[\\\]^[-]/, "\\$&");
}

function escaped(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
}
