import {
  createContextKey,
  INVALID_SPAN_CONTEXT,
  trace,
  type Context,
  type Span,
  type SpanContext,
} from "@opentelemetry/api";

/** The block in which the handler of one message runs. */
export interface Scope {
  readonly message: object;
  /** The creation context of the message, null when it carries none. */
  readonly origin: SpanContext | null;
  readonly span: Span;
}

const SCOPE_KEY = createContextKey("unbroken-process");
const COUNTED_KEY = createContextKey("unbroken-receive");

/** Stands where there is no span. */
export const NO_SPAN = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);

/** Returns the scope of the message that is being processed in the context, undefined for none. */
export function scopeIn(context: Context): Scope | undefined {
  return context.getValue(SCOPE_KEY) as Scope | undefined;
}

/** Returns the context with the scope. */
export function withScope(context: Context, scope: Scope): Context {
  return context.setValue(SCOPE_KEY, scope);
}

/** Returns whether a `receive` around has counted the message as consumed. */
export function isCounted(context: Context, message: object): boolean {
  const counted = context.getValue(COUNTED_KEY) as ReadonlySet<object> | undefined;
  return counted?.has(message) ?? false;
}

/** Returns the context of a `receive` that has counted the messages. */
export function withCounted(context: Context, messages: ReadonlySet<object>): Context {
  return context.setValue(COUNTED_KEY, messages);
}
