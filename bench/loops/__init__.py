"""Real loops on real brokers, one module per client.

`bare` runs without tracing; `contrib` and `ddtrace` run the same code with their documented instrumentation; `by hand`
has stock OpenTelemetry calls around the handler. `unbroken` has `process` around the handler, or `inject()` at the
producer, of the plain client; `unbroken drop-in` runs with our classes, which make the spans of the client as well.
With RabbitMQ, SQS and FastStream `unbroken` is what a user writes: the channel, client or middleware that makes every
span. `unbroken zero code` runs the bare code with our instrumentor.
"""

import importlib

from bench import filling
from bench.contenders import enter_request, switch_on
from bench.timing import Laps

PRODUCING = ("produce", "send", "basic_publish", "publish")

ZERO_CODE = " (zero code)"
"""What is added to the name of a loop that other contenders run too, to a row of its own."""


def measure(
    client: str, loop: str, contender: str, condition: str, server: str, address: str, messages: int
) -> dict[str, float]:
    """Return the CPU time per message, in microseconds, by "row | contender".

    It is that of the main thread with the clients of Kafka, and that of the process with the others.
    """
    run = loop.removesuffix(ZERO_CODE)
    producing = run.startswith(PRODUCING)
    if server in filling.SERVERS:
        filling.fill(server, address, condition, 0 if producing else Laps(messages).total)
    switch_on(contender, client, condition)
    if producing:
        enter_request(contender, condition)
    module = importlib.import_module(f"bench.loops.{client.replace('-', '_')}")
    cost: float = module.measure(run, contender, condition, address, messages)
    return {f"{client} {loop}, {condition} | {contender}": cost}
