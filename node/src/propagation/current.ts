import { AsyncLocalStorage } from "node:async_hooks";
import { context as otel, createContextKey, ROOT_CONTEXT, type Context } from "@opentelemetry/api";
import { checkContext, checkFunction } from "../mistakes.js";

// Without an SDK OpenTelemetry has no context manager and keeps no context. It travels all the same: here.
const storage = new AsyncLocalStorage<Context>();
const PROBE = ROOT_CONTEXT.setValue(createContextKey("unbroken-probe"), true);

/** Returns the current context: OpenTelemetry's, or ours where it keeps none. */
export function active(): Context {
  const seen = otel.active();
  if (seen !== ROOT_CONTEXT) return seen;
  const ours = storage.getStore();
  return ours === undefined || hasManager() ? seen : ours;
}

/** Returns what the function returns; `context` is the current one in it and in all that it awaits. */
export function attached<R>(context: Context, call: () => R): R {
  checkContext("attached", context);
  checkFunction("attached", call);
  return inside(context, call);
}

function inside<R>(context: Context, call: () => R): R {
  return otel.with(context, () => {
    // The root context is what a missing manager gives too: then ours must say so.
    const isKept = context !== ROOT_CONTEXT && otel.active() === context;
    return isKept ? call() : storage.run(context, call);
  });
}

/** Returns a function that runs in the context, with its own `this` and arguments. */
export function bind<A extends unknown[], R>(call: (...args: A) => R, context: Context = active()): (...args: A) => R {
  checkFunction("bind", call);
  checkContext("bind", context);
  return function (this: unknown, ...args: A): R {
    return inside(context, () => call.apply(this, args));
  };
}

function hasManager(): boolean {
  return otel.with(PROBE, () => otel.active() === PROBE);
}
