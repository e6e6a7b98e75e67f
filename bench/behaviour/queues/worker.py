"""One cell: `python -m bench.behaviour.queues.worker CONTENDER CLIENT SCENARIO ADDRESS QUEUE` prints its finding."""

import asyncio
import json
import sys
from dataclasses import asdict

from bench.behaviour.queues.clients import CLIENTS
from bench.behaviour.queues.scenarios import SCENARIOS, Finding, Scenario, Tried
from bench.behaviour.telemetry import OpenTelemetry
from bench.contenders import SAMPLED, switch_on


def main(argv: list[str]) -> int:
    """Try one scenario; an exception that reaches the application is a finding too."""
    contender, client, name, address, queue = argv
    (scenario,) = (scenario for scenario in SCENARIOS if scenario.name == name)
    switch_on(contender, client, SAMPLED)
    telemetry = OpenTelemetry()
    try:
        finding = asyncio.run(_run(scenario, contender, client, address, queue, telemetry))
    except Exception as error:  # noqa: BLE001
        finding = Finding(False, f"raised {type(error).__name__}: {error}".splitlines()[0])
    print(json.dumps(asdict(finding)), flush=True)
    return 0


async def _run(
    scenario: Scenario, contender: str, client: str, address: str, queue: str, telemetry: OpenTelemetry
) -> Finding:
    return await scenario.run(Tried(CLIENTS[client](address, contender), telemetry, queue))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
