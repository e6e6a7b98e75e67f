"""`python -m bench.behaviour`: try every scenario with every contender, print, write `bench/behaviour.json`."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench import environments
from bench.behaviour import broker, table
from bench.behaviour.contenders import CONTENDERS
from bench.behaviour.scenarios import SCENARIOS
from bench.contenders import OURS, ZERO, environment
from bench.report import machine

PROCESSES = 2


def main(argv: list[str] | None = None) -> int:
    """Try what `argv` asks for and return 0: a statement that does not hold is a finding, not an error."""
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="python -m bench.behaviour", description=__doc__)
    parser.add_argument("--contender", choices=list(CONTENDERS), action="append", help="only this one (repeatable)")
    parser.add_argument("--scenario", choices=names, action="append", help="only this one (repeatable)")
    parser.add_argument("--output", type=Path, default=table.FOUND, help="where it goes (default: %(default)s)")
    options = parser.parse_args(argv)
    cells = [
        (contender, client, name)
        for name in options.scenario or names
        for contender in options.contender or CONTENDERS
        for client in CONTENDERS[contender]
    ]
    for name in {environment(contender, client) for contender, client, _ in cells}:
        environments.interpreter(name)  # made here, and not by two threads at once
    with broker.running() as bootstrap, ThreadPoolExecutor(PROCESSES) as pool:
        found = list(pool.map(partial(tried, bootstrap), cells))
    report = {
        "scenarios": {each.name: each.statement for each in SCENARIOS},
        "found": found,
        **conditions((contender, client) for contender, client, _ in cells),
    }
    options.output.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    print(table.details(report))
    return 0


def tried(bootstrap: str, cell: tuple[str, str, str]) -> table.Cell:
    """Return what one cell came to, tried in a process of its own."""
    contender, client, scenario = cell
    python = environments.interpreter(environment(contender, client))
    command = [str(python), "-m", "bench.behaviour.worker", contender, client, scenario, bootstrap]
    variables = environments.variables()
    if contender in (OURS, ZERO):  # the tree as it is, whatever is installed
        variables["PYTHONPATH"] = str(environments.ROOT / "src")
    try:
        finished = subprocess.run(
            command, cwd=environments.ROOT, env=variables, capture_output=True, text=True, timeout=90, check=False
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{contender}, {client}, {scenario}: no answer in 90 s") from None
    if finished.returncode:
        raise RuntimeError(f"{contender}, {client}, {scenario}: {finished.stderr[-2000:]}")
    finding: table.Cell = json.loads(finished.stdout.splitlines()[-1])
    return {"scenario": scenario, "contender": contender, "client": client, **finding}


def conditions(used: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Return the versions in the environments of these contenders and clients."""
    names = sorted({environment(contender, client) for contender, client in used})
    versions = {name: environments.versions(name) for name in names}
    for packages in versions.values():
        packages.pop("unbroken", None)  # what was tried is the tree
    return {"versions": versions, "python": machine()["python"]}


if __name__ == "__main__":
    sys.exit(main())
