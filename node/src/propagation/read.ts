import { parseBaggage, type Member } from "./baggage.js";
import { fieldValues, type Headers } from "./headers.js";
import { parseTraceparent, type TraceParent } from "./traceparent.js";
import { parseTracestate } from "./tracestate.js";

/** What several different `traceparent` values mean: the `last` counts, or none (`restart`, as the W3C suite asks). */
export type Duplicates = "last" | "restart";

/** How often each malformed field is counted, by its name. */
export type Malformed = ReadonlyMap<string, number>;

/** What a carrier holds: the parent, the other `traceparent` values, state, baggage, and what was malformed. */
export interface Carried {
  readonly parent: TraceParent | null;
  readonly others: readonly TraceParent[];
  readonly tracestate: ReadonlyMap<string, string>;
  readonly baggage: ReadonlyMap<string, Member>;
  readonly malformed: Malformed;
  /** Whether there is no propagation field at all, malformed or not. */
  readonly isEmpty: boolean;
}

const NONE: ReadonlyMap<string, never> = new Map<string, never>();
const NOTHING: Carried = { parent: null, others: [], tracestate: NONE, baggage: NONE, malformed: NONE, isEmpty: true };

/** Returns what the headers carry; names match whatever their case. What the headers hold never throws. */
export function read(headers: Headers, duplicates: Duplicates = "last"): Carried {
  const found = fieldValues(headers);
  if (found === null) return NOTHING;
  const malformed = new Map<string, number>();
  let parents = parentsOf(found.traceparent, malformed);
  let states = found.tracestate;
  if (parents.length === 0 && found.ce_traceparent.length > 0) {
    parents = parentsOf(found.ce_traceparent, malformed);
    states = found.ce_tracestate;
  }
  let parent: TraceParent | null = null;
  let others: readonly TraceParent[] = [];
  if (parents.length === 1 || duplicates === "last") {
    parent = parents.at(-1) ?? null;
    others = parents.slice(0, -1);
  } else if (parents.length > 1) {
    count(malformed, "traceparent", 1);
  }
  const tracestate = parent !== null && states.length > 0 ? parseTracestate(states) : NONE;
  if (tracestate === null) count(malformed, "tracestate", 1);
  const baggage = parseBaggage(found.baggage);
  count(malformed, "baggage", baggage.malformed);
  return { parent, others, tracestate: tracestate ?? NONE, baggage: baggage.members, malformed, isEmpty: false };
}

/** Returns the different well-formed parents, each at the place where it stands last. */
function parentsOf(values: readonly unknown[], malformed: Map<string, number>): TraceParent[] {
  const parents = new Map<string, TraceParent>();
  for (const value of values) {
    const parent = parseTraceparent(value);
    if (parent === null) {
      count(malformed, "traceparent", 1);
      continue;
    }
    const identity = `${parent.traceId}${parent.spanId}${parent.flags.toString()}`;
    parents.delete(identity);
    parents.set(identity, parent);
  }
  return [...parents.values()];
}

function count(malformed: Map<string, number>, field: string, times: number): void {
  if (times > 0) malformed.set(field, (malformed.get(field) ?? 0) + times);
}
