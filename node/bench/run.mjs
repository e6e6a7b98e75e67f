/**
 * Measures one contender in this process and prints what one message costs, in microseconds of CPU time:
 * `node run.mjs eachMessage|send bare|OpenTelemetry|unbroken sampled|unsampled MESSAGES`.
 */

import process from "node:process";
import { context } from "@opentelemetry/api";
import { CONTENDERS } from "./contenders.mjs";
import { inside, provide } from "./tracing.mjs";

const WARM_UP = 3; // slices
const SLICES = 7;
const FLAGS = { sampled: "01", unsampled: "00" };

const VALUE = Buffer.from("x".repeat(100));
const HEADER = Buffer.from("a value of some length");

const [operation, name, condition, messages] = process.argv.slice(2);
const traceparent = `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${FLAGS[condition]}`;

const applicationHeaders = () => ({ "x-header-0": HEADER, "x-header-1": HEADER, "x-header-2": HEADER });

const OPERATIONS = {
  /** Returns a loop in which a consumer hands out so many messages, one after the other. */
  async eachMessage(contender) {
    const each = await contender.eachMessage(async () => {});
    const value = Buffer.from(traceparent);
    return async (count) => {
      for (let offset = 0; offset < count; offset += 1) {
        const headers = { ...applicationHeaders(), traceparent: value };
        const message = { key: Buffer.from("order-17"), value: VALUE, headers, offset: `${offset}`, timestamp: "1" };
        await each({ topic: "orders", partition: 0, message });
      }
    };
  },

  /** Returns a loop in which so many messages are sent, one in each call, inside of a span. */
  async send(contender) {
    const producer = await contender.producer();
    const around = inside(traceparent);
    const send = async (count) => {
      for (let sent = 0; sent < count; sent += 1) {
        const message = { key: "order-17", value: VALUE, headers: applicationHeaders() };
        await producer.send({ topic: "orders", messages: [message] });
      }
    };
    return (count) => context.with(around, send, undefined, count);
  },
};

async function main() {
  const spans = provide();
  const loop = await OPERATIONS[operation](CONTENDERS[name]);
  const count = Number(messages);
  const expected = condition === "sampled" ? CONTENDERS[name].spans : 0;
  const costs = [];
  for (let slice = 0; slice < WARM_UP + SLICES; slice += 1) {
    const before = process.cpuUsage();
    const ended = spans.ended;
    await loop(count);
    const { user, system } = process.cpuUsage(before);
    costs.push((user + system) / count);
    if (spans.ended - ended !== expected * count) {
      throw new Error(`${name} ended ${spans.ended - ended} spans for ${count} messages`);
    }
  }
  const measured = costs.slice(WARM_UP).sort((one, other) => one - other);
  process.stdout.write(`${JSON.stringify({ cpu: measured[SLICES >> 1], slices: costs })}\n`);
}

await main();
