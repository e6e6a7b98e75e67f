"""`python -m bench.behaviour.queues`: try every scenario with every contender, write `bench/behaviour-queues.json`."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import environments
from bench.behaviour import table
from bench.behaviour.__main__ import PROCESSES, conditions
from bench.behaviour.queues.clients import CONTENDERS, RABBITMQ
from bench.behaviour.queues.scenarios import SCENARIOS
from bench.contenders import OURS, environment
from services import elasticmq, rabbitmq

FOUND = Path(__file__).parents[2] / "behaviour-queues.json"

SERVERS = {"rabbitmq": rabbitmq.running, "elasticmq": elasticmq.running}


@dataclass(frozen=True, slots=True)
class Tried:
    """One cell: who tries what with which client."""

    contender: str
    client: str
    scenario: str

    @property
    def server(self) -> str:
        """The server that the client talks to."""
        return "rabbitmq" if self.client in RABBITMQ else "elasticmq"

    @property
    def queue(self) -> str:
        """The name of its queue: letters and dashes."""
        return f"{self.contender}-{self.client}-{self.scenario}".replace(" ", "-")


def main(argv: list[str] | None = None) -> int:
    """Try what `argv` asks for and return 0: a statement that does not hold is a finding, not an error."""
    parser = argparse.ArgumentParser(prog="python -m bench.behaviour.queues", description=__doc__)
    parser.add_argument("--contender", choices=list(CONTENDERS), action="append", help="only this one (repeatable)")
    parser.add_argument("--client", action="append", help="only this one (repeatable)")
    parser.add_argument(
        "--scenario",
        choices=[each.name for each in SCENARIOS],
        action="append",
        help="only this one (repeatable)",
    )
    parser.add_argument("--output", type=Path, default=FOUND, help="where it goes (default: %(default)s)")
    options = parser.parse_args(argv)
    wanted = [
        cell
        for cell in cells()
        if (not options.contender or cell.contender in options.contender)
        and (not options.client or cell.client in options.client)
        and (not options.scenario or cell.scenario in options.scenario)
    ]
    for name in {environment(cell.contender, cell.client) for cell in wanted}:
        environments.interpreter(name)  # made here, and not by two threads at once
    with ExitStack() as stack, ThreadPoolExecutor(PROCESSES) as pool:
        addresses = {}
        for server in sorted({cell.server for cell in wanted}):
            addresses[server] = stack.enter_context(SERVERS[server]())
            _fill(server, addresses[server], (cell for cell in wanted if cell.server == server))
        found = list(pool.map(lambda cell: _finding(cell, addresses[cell.server]), wanted))
    report = {
        "scenarios": {each.name: each.statement for each in SCENARIOS},
        "found": found,
        **conditions((cell.contender, cell.client) for cell in wanted),
    }
    options.output.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    print(table.details(report))
    return 0


def cells() -> list[Tried]:
    """Return every cell."""
    return [
        Tried(contender, client, scenario.name)
        for scenario in SCENARIOS
        for contender, clients in CONTENDERS.items()
        for client in clients
        if client in scenario.clients
    ]


def _fill(server: str, address: str, some: Iterable[Tried]) -> None:
    wanted = {"server": server, "address": address, "queues": {cell.queue: cell.scenario for cell in some}}
    command = [str(environments.interpreter("opentelemetry")), "-m", "bench.behaviour.queues.filling"]
    variables = environments.variables()
    subprocess.run(command, cwd=environments.ROOT, env=variables, input=json.dumps(wanted), text=True, check=True)


def _finding(cell: Tried, address: str) -> table.Cell:
    python = environments.interpreter(environment(cell.contender, cell.client))
    arguments = [cell.contender, cell.client, cell.scenario, address, cell.queue]
    variables = environments.variables()
    if cell.contender == OURS:  # the tree as it is, whatever is installed
        variables["PYTHONPATH"] = str(environments.ROOT / "src")
    finished = subprocess.run(
        [str(python), "-m", "bench.behaviour.queues.worker", *arguments],
        cwd=environments.ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(f"{cell}: {finished.stderr[-2000:]}")
    seen: table.Cell = json.loads(finished.stdout.splitlines()[-1])
    return {"scenario": cell.scenario, "contender": cell.contender, "client": cell.client, **seen}


if __name__ == "__main__":
    sys.exit(main())
