import type { Headers, Message, MessagePayload } from "../src/index.js";

export const TRACE = "a1d8c5f0e3b24796b0c1d2e3f4a59687";
export const SPAN = "3c7e19ab5d02f468";
export const TRACEPARENT = `00-${TRACE}-${SPAN}-01`;
export const OTHER_TRACE = "7e2b90f4d1c3485ea6b7c8d9e0f10213";
export const OTHER = `00-${OTHER_TRACE}-91b5d3f7082a4c6e-01`;

/** Returns a message as KafkaJS decodes it. */
export function message(headers: Headers = {}, offset = "42"): Message {
  return { key: Buffer.from("order-17"), value: Buffer.from("{}"), headers, offset, timestamp: Date.now().toString() };
}

/** Returns what `eachMessage` is given. */
export function payload(headers: Headers = {}, topic = "orders"): MessagePayload {
  return { topic, partition: 3, message: message(headers) };
}
