"""Contenders in processes of their own, taking turns."""

import json
import subprocess
from collections.abc import Callable

from bench.environments import ROOT, interpreter, variables
from bench.plan import Group
from bench.results import Samples
from bench.worker import Job


def run(job: Job) -> dict[str, float]:
    """Return what `job` finds in a fresh process of its environment."""
    command = [str(interpreter(job.environment)), "-m", "bench.worker", job.dumps()]
    done = subprocess.run(command, check=False, cwd=ROOT, env=variables(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{job} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def take_turns(group: Group, repeats: int, samples: Samples, done: Callable[[Job], None]) -> None:
    """Run each job of `group` once per repeat, forwards and backwards in turn, so that no place is the better one."""
    for repeat in range(repeats):
        for job in group if repeat % 2 == 0 else reversed(group):
            samples.add(run(job))
            done(job)
