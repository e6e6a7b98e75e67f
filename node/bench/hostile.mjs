/**
 * Measures `process` of one message whose mebibyte of headers was made to cost a consumer time, with metrics on, and prints
 * the median of each shape in milliseconds: `node hostile.mjs [SHAPE ...]`.
 */

import process from "node:process";
import { metrics, propagation } from "@opentelemetry/api";
import { JaegerPropagator } from "@opentelemetry/propagator-jaeger";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { process as processed } from "unbroken";
import { provide, W3C } from "./tracing.mjs";

const MEBIBYTE = 2 ** 20;
const WARM_UP = 5;
const TIMES = 15;

const EMPTY = Buffer.alloc(0);
const TRACEPARENT = Buffer.from("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
const many = (count, value) => Array.from({ length: count }, (_, index) => value(index));
const named = (count, name, value) => Object.fromEntries(many(count, (index) => [name(index), value]));
const filled = (text) => Buffer.from(text.repeat(MEBIBYTE / text.length));
const number = (index) => index.toString(16).padStart(16, "0");

/** What the headers are, beside a good traceparent. */
const SHAPES = {
  normal: () => ({}),
  "empty traceparent": () => ({ traceparent: many(70_000, () => EMPTY) }),
  "different traceparent": () => ({
    traceparent: many(16_000, (index) => Buffer.from(`00-7e2b90f4d1c3485ea6b7c8d9e0f10213-${number(index + 1)}-01`)),
  }),
  "names like traceparent": () => named(60_000, (index) => `TRACEP${index.toString().padStart(5, "0")}`, EMPTY),
  "many names": () => named(100_000, (index) => `t${index}`, EMPTY),
  "blank members of tracestate": () => ({ tracestate: filled(" ,") }),
  "empty tracestate": () => ({ tracestate: many(70_000, () => EMPTY) }),
  "blank members of baggage": () => ({ baggage: filled(" ,") }),
  "bad members of baggage": () => ({ baggage: filled("=,") }),
  "empty baggage": () => ({ baggage: many(70_000, () => EMPTY) }),
  "baggage that is no text": () => ({ baggage: many(40_000, (index) => ({ index })) }),
  "one long traceparent": () => ({ Traceparent: filled(" ") }),
  "one long tracestate": () => ({ tracestate: filled("a") }),
  "one long baggage": () => ({ baggage: filled("a") }),
  "baggage for Jaeger": () => named(64_000, (index) => `uberctx-${index}`, Buffer.from("v")),
  "long key": () => ({}),
};

function cost(shape) {
  const headers = { traceparent: TRACEPARENT, ...SHAPES[shape]() };
  const key = shape === "long key" ? filled("k") : Buffer.from("order-17");
  const costs = [];
  for (let time = 0; time < WARM_UP + TIMES; time += 1) {
    const message = { key, value: EMPTY, headers, offset: `${time}`, timestamp: "1" };
    const before = process.hrtime.bigint();
    processed({ topic: "orders", partition: 0, message }, () => undefined);
    costs.push(Number(process.hrtime.bigint() - before) / 1e6);
  }
  const [median] = costs
    .slice(WARM_UP)
    .sort((one, other) => one - other)
    .slice(TIMES >> 1);
  return median;
}

provide();
metrics.setGlobalMeterProvider(new MeterProvider());
const asked = process.argv.slice(2);
for (const shape of asked.length > 0 ? asked : Object.keys(SHAPES)) {
  propagation.disable();
  propagation.setGlobalPropagator(shape === "baggage for Jaeger" ? new JaegerPropagator() : W3C);
  process.stdout.write(`${cost(shape).toFixed(3).padStart(8)} ms  ${shape}\n`);
}
