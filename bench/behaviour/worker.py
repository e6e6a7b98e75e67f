"""One cell: `python -m bench.behaviour.worker CONTENDER CLIENT SCENARIO BOOTSTRAP` prints its finding as JSON."""

import asyncio
import json
import sys
from dataclasses import asdict

from bench.behaviour.contenders import switch_on
from bench.behaviour.scenarios import SCENARIOS, Finding


def main(argv: list[str]) -> int:
    """Try one scenario; an exception that reaches the application is a finding too."""
    contender, client, name, bootstrap = argv
    (scenario,) = (scenario for scenario in SCENARIOS if scenario.name == name)
    ready = switch_on(contender, client, bootstrap)
    try:
        finding = asyncio.run(_run(scenario.run(ready, f"{contender}-{client}-{name}".replace(" ", "-"))))  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001
        finding = Finding(False, f"raised {type(error).__name__}: {error}".splitlines()[0])
    print(json.dumps(asdict(finding)), flush=True)
    return 0


async def _run(awaitable: "asyncio.Future[Finding]") -> Finding:
    return await awaitable


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
