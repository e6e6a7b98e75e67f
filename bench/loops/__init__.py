"""Real loops on the embedded broker, one module per client.

`bare` runs without tracing; `contrib` and `ddtrace` run the same code with their documented instrumentation; `by hand`
has stock OpenTelemetry calls around the handler. `unbroken` has `process` around the handler, or `inject()` at the
producer, of the plain client; `unbroken drop-in` runs with our classes, which make the spans of the client as well.
"""

import importlib

from bench.contenders import enter_request, switch_on

PRODUCING = ("produce", "send")


def measure(client: str, loop: str, contender: str, condition: str, bootstrap: str, messages: int) -> dict[str, float]:
    """Return the CPU time of the main thread per message, in microseconds, by "row | contender"."""
    switch_on(contender, client, condition)
    if loop in PRODUCING:
        enter_request(contender, condition)
    module = importlib.import_module(f"bench.loops.{client.replace('-', '_')}")
    cost: float = module.measure(loop, contender, condition, bootstrap, messages)
    return {f"{client} {loop}, {condition} | {contender}": cost}
