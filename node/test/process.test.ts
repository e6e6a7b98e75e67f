import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { beforeEach, describe, test } from "node:test";
import { context, diag, propagation, ROOT_CONTEXT, SpanStatusCode, trace, type Span } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import type { Sampler, SpanProcessor } from "@opentelemetry/sdk-trace-base";
import { attached, bind, configure, extract, inject, process, UnknownMessage } from "../src/index.js";
import { recording, silent, type Recorded } from "./telemetry.js";
import { OTHER, OTHER_TRACE, payload, SPAN, TRACE, TRACEPARENT } from "./messages.js";

let recorded: Recorded;

beforeEach(() => {
  recorded = recording();
});

const current = (): string | undefined => trace.getActiveSpan()?.spanContext().traceId;

describe("the block", () => {
  test("the span is current through every await", async () => {
    const seen = await process(payload({ traceparent: TRACEPARENT }), async () => {
      await setImmediate();
      return current();
    });
    assert.equal(seen, TRACE);
  });

  test("after a synchronous handler the context is what it was", () => {
    process(payload({ traceparent: TRACEPARENT }), () => undefined);
    assert.equal(current(), undefined);
  });

  test("the handler is given the span that is current", () => {
    process(payload(), (span) => {
      assert.equal(span, trace.getActiveSpan());
    });
  });

  test("what the handler returns comes back", () => {
    assert.equal(
      process(payload(), () => 7),
      7,
    );
  });

  test("a query that runs only when it is awaited runs in it", async () => {
    let seen: string | undefined;
    const query: PromiseLike<undefined> = {
      then: (resolve) => {
        seen = current();
        return Promise.resolve(undefined).then(resolve);
      },
    };
    await process(payload({ traceparent: TRACEPARENT }), () => query);
    assert.equal(seen, TRACE);
  });

  test("a thenable whose then returns nothing is waited for all the same", async () => {
    let isDone = false;
    const thenable = {
      then(resolve: () => void): void {
        void setImmediate().then(() => {
          isDone = true;
          resolve();
        });
      },
    };
    await (process(payload(), () => thenable) as unknown as PromiseLike<void>);
    assert.equal(isDone, true);
  });

  test("the span is open until the promise settles", async () => {
    let release: (() => void) | undefined;
    const done = process(payload(), () => new Promise<void>((resolve) => (release = resolve)));
    assert.equal(recorded.spans().length, 0);
    release?.();
    await done;
    assert.equal(recorded.spans().length, 1);
  });

  test("messages that are processed at the same time keep apart", async () => {
    const ids = Array.from({ length: 50 }, (_, index) => (index + 1).toString(16).padStart(32, "0"));
    const seen = await Promise.all(
      ids.map((id) =>
        process(payload({ traceparent: `00-${id}-${SPAN}-01` }), async () => {
          for (let turn = 0; turn < 3; turn += 1) await setImmediate();
          return current();
        }),
      ),
    );
    assert.deepEqual(seen, ids);
  });

  test("process of the same message inside is the same block", () => {
    const received = payload();
    process(received, (outer) => {
      process({ ...received }, (inner) => {
        assert.equal(inner, outer);
      });
    });
    assert.equal(recorded.spans().length, 1);
  });

  test("process of another message inside is another block", () => {
    process(payload({ traceparent: TRACEPARENT }), () => {
      process(payload({ traceparent: OTHER }), () => {
        assert.equal(current(), OTHER_TRACE);
      });
    });
    assert.equal(recorded.spans().length, 2);
  });

  test("what is no message is refused", () => {
    for (const wrong of [null, undefined, 7, {}, { topic: "orders" }, { message: {} }]) {
      assert.throws(() => {
        process(wrong as never, () => undefined);
      }, UnknownMessage);
    }
  });

  test("a correlation that is neither is refused", () => {
    assert.throws(() => {
      process(payload(), () => undefined, { correlation: "both" as never });
    }, TypeError);
  });

  test("more attributes go on the span", () => {
    process(payload(), () => undefined, { attributes: { tenant: "blue" } });
    assert.equal(recorded.span("process orders").attributes["tenant"], "blue");
  });

  test("the server is on the span when there is one", () => {
    process(payload(), () => undefined, { server: ["broker:9092"] });
    const { attributes } = recorded.span("process orders");
    assert.deepEqual([attributes["server.address"], attributes["server.port"]], ["broker", 9092]);
  });

  test("of several servers none is on the span", () => {
    process(payload(), () => undefined, { server: "one:9092,two:9092" });
    assert.equal(recorded.span("process orders").attributes["server.address"], undefined);
  });

  test("the key stays off the span when the policy says so", () => {
    configure({ messageKey: false });
    process(payload(), () => undefined);
    assert.equal("messaging.kafka.message.key" in recorded.span("process orders").attributes, false);
  });

  test("suppressed tracing leaves the message alone", () => {
    context.with(suppressTracing(ROOT_CONTEXT), () => {
      process(payload({ traceparent: TRACEPARENT }), () => {
        assert.equal(current(), undefined);
      });
    });
    assert.equal(recorded.spans().length, 0);
  });

  test("what the application keeps in its context stays", () => {
    const key = Symbol.for("tenant");
    context.with(ROOT_CONTEXT.setValue(key, "blue"), () => {
      process(payload({ traceparent: TRACEPARENT }), () => {
        assert.equal(context.active().getValue(key), "blue");
      });
    });
  });

  test("the random flag outlives a span of the SDK, which drops it", () => {
    process(payload({ traceparent: `00-${TRACE}-${SPAN}-03` }), () => {
      assert.match(String(inject()["traceparent"]), new RegExp(`^00-${TRACE}-[0-9a-f]{16}-03$`));
    });
  });
});

describe("an error", () => {
  const poison = new TypeError("schema 7");

  test("that is thrown passes untouched", () => {
    assert.throws(
      () =>
        process(payload(), () => {
          throw poison;
        }),
      (error) => error === poison,
    );
  });

  test("that rejects passes untouched", async () => {
    const failing = process(payload(), () => Promise.reject(poison));
    await assert.rejects(failing, (error) => error === poison);
  });

  test("is on the span once, with status and type", async () => {
    await process(payload(), () => Promise.reject(poison)).catch(() => undefined);
    const span = recorded.span("process orders");
    assert.deepEqual(span.status, { code: SpanStatusCode.ERROR, message: "TypeError: schema 7" });
    assert.equal(span.attributes["error.type"], "TypeError");
    assert.deepEqual(
      span.events.map(({ name }) => name),
      ["exception"],
    );
  });

  test("of a class that has not named itself is called by its class", () => {
    class Poison extends Error {}
    assert.throws(() =>
      process(payload(), () => {
        throw new Poison("never");
      }),
    );
    assert.equal(recorded.span("process orders").attributes["error.type"], "Poison");
  });

  test("that is no object is called by its type", () => {
    assert.throws(() =>
      process(payload(), () => {
        throw "no"; // eslint-disable-line @typescript-eslint/only-throw-error
      }),
    );
    const span = recorded.span("process orders");
    assert.deepEqual([span.attributes["error.type"], span.status.message], ["string", "string: no"]);
  });

  test("of undefined is an error too", () => {
    assert.throws(() =>
      process(payload(), () => {
        throw undefined; // eslint-disable-line @typescript-eslint/only-throw-error
      }),
    );
    assert.equal(recorded.span("process orders").status.code, SpanStatusCode.ERROR);
  });

  test("whose text cannot be had passes untouched", () => {
    const hostile = Object.defineProperty({}, "name", {
      get() {
        throw new Error("no name");
      },
    });
    assert.throws(
      () =>
        process(payload(), () => {
          throw hostile; // eslint-disable-line @typescript-eslint/only-throw-error
        }),
      (error) => error === hostile,
    );
    assert.equal(recorded.span("process orders").attributes["error.type"], "object");
  });

  test("of a thenable that is no promise ends the span", async () => {
    const thenable: PromiseLike<never> = {
      then: (_, reject) => Promise.resolve().then(() => reject?.(poison)) as never,
    };
    await assert.rejects(async () => {
      await process(payload(), () => thenable);
    });
    assert.equal(recorded.span("process orders").attributes["error.type"], "TypeError");
  });

  test("of a retry is one span for each attempt, in the same trace", async () => {
    const received = payload({ traceparent: TRACEPARENT });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await process(received, () => Promise.reject(poison)).catch(() => undefined);
    }
    assert.deepEqual(
      recorded.spans().map((span) => span.spanContext().traceId),
      [TRACE, TRACE, TRACE],
    );
  });
});

describe("telemetry that fails", () => {
  const raising = (): never => {
    throw new Error("telemetry is broken");
  };

  test("in the sampler costs no message, and the context travels", () => {
    recording({ sampler: { shouldSample: raising, toString: () => "raising" } satisfies Sampler });
    assert.equal(process(payload({ traceparent: TRACEPARENT }), current), TRACE);
  });

  test("in a processor at the start costs no message", () => {
    recording({ processors: [processor({ onStart: raising })] });
    assert.equal(process(payload({ traceparent: TRACEPARENT }), current), TRACE);
  });

  test("in a processor at the end costs no message", async () => {
    recording({ processors: [processor({ onEnd: raising })] });
    assert.equal(await process(payload(), () => Promise.resolve(7)), 7);
  });

  test("in a processor at the end hides no error of the handler", () => {
    recording({ processors: [processor({ onEnd: raising })] });
    const poison = new Error("schema 7");
    assert.throws(
      () =>
        process(payload(), () => {
          throw poison;
        }),
      (error) => error === poison,
    );
  });

  test("in headers that throw when they are read costs no message", () => {
    const hostile = new Proxy({}, { ownKeys: raising, get: raising });
    assert.equal(
      process(payload(hostile), () => 7),
      7,
    );
  });

  test("is logged once for its place and class", () => {
    class Broken extends Error {}
    const logged: unknown[] = [];
    const nothing = (): void => undefined;
    const logger = { error: (...args: unknown[]) => logged.push(args[1]), warn: nothing, info: nothing };
    diag.setLogger({ ...logger, debug: nothing, verbose: nothing }, { suppressOverrideMessage: true });
    const broken = new Broken("telemetry is broken");
    const shouldSample = (): never => {
      throw broken;
    };
    recording({ sampler: { shouldSample } });
    process(payload(), () => undefined);
    process(payload(), () => undefined);
    diag.disable();
    assert.deepEqual(logged, [broken]);
  });

  function processor(hooks: { onStart?: () => void; onEnd?: () => void }): SpanProcessor {
    const nothing = (): void => undefined;
    const done = (): Promise<void> => Promise.resolve();
    return { onStart: nothing, onEnd: nothing, forceFlush: done, shutdown: done, ...hooks };
  }
});

describe("without an SDK", () => {
  beforeEach(silent);

  test("the context travels from a message to the headers of the next", async () => {
    const headers = await process(payload({ traceparent: TRACEPARENT, baggage: "tenant=blue" }), async () => {
      await setImmediate();
      return inject({ id: "17" });
    });
    assert.deepEqual(headers, { id: "17", traceparent: TRACEPARENT, baggage: "tenant=blue" });
  });

  test("after the block nothing is current", () => {
    process(payload({ traceparent: TRACEPARENT }), () => undefined);
    assert.deepEqual(inject(), {});
  });

  test("a span that is given is no span", () => {
    process(payload(), (span: Span) => {
      assert.equal(span.isRecording(), false);
    });
  });
});

describe("the context across calls", () => {
  test("bind carries it to where nothing else does", () => {
    const later: (() => string | undefined)[] = [];
    process(payload({ traceparent: TRACEPARENT }), () => {
      later.push(bind(current));
    });
    assert.equal(later[0]?.(), TRACE);
  });

  test("bind keeps this and arguments", () => {
    const counter = {
      count: 1,
      add: bind(function (this: { count: number }, more: number) {
        return this.count + more;
      }),
    };
    assert.equal(counter.add(2), 3);
  });

  test("attached makes a context current and gives back what the function returns", () => {
    const carried = extract({ traceparent: TRACEPARENT });
    assert.equal(attached(carried, current), TRACE);
  });

  test("attached has the root context hide what is around it", () => {
    const carried = propagation.setBaggage(
      extract({ traceparent: TRACEPARENT }),
      propagation.createBaggage({ tenant: { value: "blue" } }),
    );
    attached(carried, () => {
      assert.deepEqual(
        attached(ROOT_CONTEXT, () => inject()),
        {},
      );
    });
  });

  test("attached has the root context hide what is around it without an SDK too", () => {
    silent();
    attached(extract({ traceparent: TRACEPARENT }), () => {
      assert.deepEqual(
        attached(ROOT_CONTEXT, () => inject()),
        {},
      );
    });
  });
});
