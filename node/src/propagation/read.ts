import { parseBaggage, type Member } from "./baggage.js";
import { fieldValues, type Headers } from "./headers.js";
import { InvalidHeader } from "./octets.js";
import { parseTraceparent, type TraceParent } from "./traceparent.js";
import { parseTracestate } from "./tracestate.js";

/** What several different `traceparent` values mean: the `last` counts, or none (`restart`, as the W3C suite asks). */
export type Duplicates = "last" | "restart";

/** Other `traceparent` values that are kept, the newest: as many links as the SDK of OpenTelemetry keeps of a span. */
const MAX_OTHERS = 128;

/** What a carrier holds: the parent, the other `traceparent` values, state, baggage, and what was malformed. */
export interface Carried {
  readonly parent: TraceParent | null;
  readonly others: readonly TraceParent[];
  readonly tracestate: ReadonlyMap<string, string>;
  readonly baggage: ReadonlyMap<string, Member>;
  readonly problems: readonly InvalidHeader[];
  /** Whether there is no propagation field at all, malformed or not. */
  readonly isEmpty: boolean;
}

const NONE: ReadonlyMap<string, never> = new Map<string, never>();
const NOTHING: Carried = { parent: null, others: [], tracestate: NONE, baggage: NONE, problems: [], isEmpty: true };

/** Returns what the headers carry; names match whatever their case. What the headers hold never throws. */
export function read(headers: Headers, duplicates: Duplicates = "last"): Carried {
  const found = fieldValues(headers);
  if (found === null) return NOTHING;
  const problems: InvalidHeader[] = [];
  let parents = parentsOf(found.traceparent, problems);
  let states = found.tracestate;
  if (parents.length === 0 && found.ce_traceparent.length > 0) {
    parents = parentsOf(found.ce_traceparent, problems);
    states = found.ce_tracestate;
  }
  let parent: TraceParent | null = null;
  let others: readonly TraceParent[] = [];
  if (parents.length === 1 || duplicates === "last") {
    parent = parents.at(-1) ?? null;
    others = parents.slice(0, -1).slice(-MAX_OTHERS);
  } else if (parents.length > 1) {
    problems.push(new InvalidHeader("traceparent", "several different values"));
  }
  const tracestate = parent !== null && states.length > 0 ? stateOf(states, problems) : NONE;
  if (found.baggage.length === 0) return { parent, others, tracestate, baggage: NONE, problems, isEmpty: false };
  const baggage = parseBaggage(found.baggage);
  return {
    parent,
    others,
    tracestate,
    baggage: baggage.members,
    problems: [...problems, ...baggage.problems],
    isEmpty: false,
  };
}

function stateOf(values: readonly unknown[], problems: InvalidHeader[]): ReadonlyMap<string, string> {
  try {
    return parseTracestate(values);
  } catch (problem) {
    problems.push(problem as InvalidHeader);
    return NONE;
  }
}

/** Returns the different well-formed parents, each at the place where it stands last. */
function parentsOf(values: readonly unknown[], problems: InvalidHeader[]): TraceParent[] {
  const parents = new Map<string, TraceParent>();
  for (const value of values) {
    try {
      const parent = parseTraceparent(value);
      const identity = `${parent.traceId}${parent.spanId}${parent.flags.toString()}`;
      parents.delete(identity);
      parents.set(identity, parent);
    } catch (problem) {
      problems.push(problem as InvalidHeader);
    }
  }
  return [...parents.values()];
}
