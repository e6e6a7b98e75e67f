import type { Context } from "@opentelemetry/api";

/** A function that cannot be called with what it was given: a mistake of the program, told at once. */
class WrongArgument extends TypeError {
  override readonly name = "WrongArgument";

  constructor(call: string, expected: string, given: unknown, instead = "") {
    super(`${call} takes ${expected}, not ${kindOf(given)}${instead === "" ? "" : `: ${instead}`}`);
  }
}

/**
 * Accepts a function whose body runs when it is called.
 *
 * @throws WrongArgument for anything else, a generator function as well: its body runs later, in another context.
 */
export function checkFunction(call: string, value: unknown): void {
  if (typeof value !== "function") {
    const isPromise = value instanceof Promise;
    throw new WrongArgument(call, "a function", value, isPromise ? "give it the function that makes the promise" : "");
  }
  if (Object.prototype.toString.call(value).includes("Generator")) {
    throw new WrongArgument(
      call,
      "a function",
      value,
      "its body runs after the call; give it one that goes through it",
    );
  }
}

/**
 * Accepts a context of OpenTelemetry.
 *
 * @throws WrongArgument for anything else.
 */
export function checkContext(call: string, value: unknown): asserts value is Context {
  if (hasMethod(value, "getValue")) return;
  const instead = hasMethod(value, "spanContext")
    ? "write trace.setSpan(context.active(), span)"
    : "write extract(message), or context.active()";
  throw new WrongArgument(call, "a context", value, instead);
}

/**
 * Accepts a producer.
 *
 * @throws WrongArgument for what has no `send`.
 */
export function checkProducer(value: unknown): void {
  if (!hasMethod(value, "send"))
    throw new WrongArgument("traced", "a producer", value, "write traced(kafka.producer())");
}

/**
 * Accepts the options of a call.
 *
 * @throws WrongArgument for what is no object, and for an error, which goes into the options of `forward`.
 */
export function checkOptions(call: string, value: unknown): void {
  if (typeof value === "object" && value !== null && !(value instanceof Error)) return;
  throw new WrongArgument(call, "options", value, value instanceof Error ? `write ${call}(payload, { error })` : "");
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof value === "object" && value !== null && typeof (value as Record<string, unknown>)[name] === "function";
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  if (typeof value !== "object" && typeof value !== "function") return `a ${typeof value}`;
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  const { constructor } = value as { constructor?: { name?: unknown } };
  const name = tag === "Object" && typeof constructor?.name === "string" ? constructor.name : tag;
  return `an object of ${name}`;
}
