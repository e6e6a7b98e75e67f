import { ProxyTracerProvider, trace, type Tracer, type TracerProvider } from "@opentelemetry/api";
import { VERSION } from "../version.js";
import { SCHEMA_URL, SCOPE } from "./semconv.js";

// What stands for a provider while there is none; there is no other public way to it.
// eslint-disable-next-line @typescript-eslint/no-deprecated
const NOTHING = new ProxyTracerProvider().getDelegate();

let provider: TracerProvider | null = null;
let known: Tracer | null = null;

/** Returns the tracer of the global provider, null while nothing would record a span. */
export function tracer(): Tracer | null {
  const current = delegate();
  if (current !== provider) {
    known = current === NOTHING ? null : current.getTracer(SCOPE, VERSION, { schemaUrl: SCHEMA_URL });
    provider = current;
  }
  return known;
}

/** Returns the provider behind the API's placeholder. */
function delegate(): TracerProvider {
  const global: TracerProvider & { getDelegate?: () => TracerProvider } = trace.getTracerProvider();
  return global.getDelegate?.() ?? global;
}
