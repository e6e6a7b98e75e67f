import { SpanStatusCode, type Span } from "@opentelemetry/api";
import { survived } from "../log.js";
import { ERROR_TYPE, exportable } from "./semconv.js";

/** What was thrown, which may be anything, `undefined` as well. */
export interface Failure {
  readonly error: unknown;
}

const BUILT_IN: ReadonlySet<string> = new Set([
  "Error",
  "AggregateError",
  "EvalError",
  "RangeError",
  "ReferenceError",
  "SyntaxError",
  "TypeError",
  "URIError",
]);

/**
 * Returns what `error.type` holds for what was thrown.
 *
 * That is the error's name, or its class where the class has inherited the name of a built-in one; of a value that is no
 * object its type.
 */
export function errorType(error: unknown): string {
  if (typeof error !== "object" || error === null) return error === null ? "null" : typeof error;
  try {
    const { name } = error as { name?: unknown };
    const kind = className(error);
    if (typeof name !== "string" || name === "") return kind;
    return kind !== "" && kind !== name && BUILT_IN.has(name) ? kind : name;
  } catch {
    return "object"; // a property that throws
  }
}

/** Returns `type: message` of what was thrown, only the type when its message cannot be had. */
export function errorText(error: unknown): string {
  const type = errorType(error);
  try {
    const text = error instanceof Error ? error.message : String(error);
    return `${type}: ${text}`;
  } catch {
    return type;
  }
}

/** Puts status, `error.type` and the exception on a span. Never throws. */
function markFailed(span: Span, { error }: Failure): void {
  try {
    span.setAttribute(ERROR_TYPE, exportable(errorType(error)));
    const text = exportable(errorText(error));
    span.setStatus({ code: SpanStatusCode.ERROR, message: text });
    span.recordException(error instanceof Error ? error : text);
  } catch (failure) {
    survived("the record of an exception", failure);
  }
}

/** Ends a span, as failed if there is a failure. Never throws. */
export function endSpan(span: Span, failure: Failure | null): void {
  try {
    if (!span.isRecording()) return;
    if (failure !== null) markFailed(span, failure);
    span.end();
  } catch (error) {
    survived("the end of a span", error);
  }
}

/**
 * Returns what the call returns, or throws what it throws, untouched; `end` is told, once, before anybody else.
 *
 * A promise ends when it settles; another thenable comes back as a promise. `end` must not throw.
 */
export function concluded<R>(call: () => R, end: (failure: Failure | null, value: Awaited<R> | undefined) => void): R {
  let result: R;
  try {
    result = call();
  } catch (error) {
    end({ error }, undefined);
    throw error;
  }
  if (!isThenable(result)) {
    end(null, result as Awaited<R>);
    return result;
  }
  return promiseOf(result).then(
    (value) => {
      end(null, value as Awaited<R>);
      return value;
    },
    (error: unknown) => {
      end({ error }, undefined);
      throw error;
    },
  ) as R;
}

/** Returns a promise of what a thenable, which may call back twice or have a `then` that returns nothing, stands for. */
function promiseOf(thenable: PromiseLike<unknown>): Promise<unknown> {
  if (thenable instanceof Promise) return thenable;
  return new Promise((resolve, reject) => void thenable.then(resolve, reject));
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  try {
    if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
    return typeof (value as { then?: unknown }).then === "function";
  } catch {
    return false; // a property that throws
  }
}

function className(error: object): string {
  const { constructor } = error as { constructor?: unknown };
  return typeof constructor === "function" ? constructor.name : "";
}
