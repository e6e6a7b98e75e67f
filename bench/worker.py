"""The process of a contender: `python -m bench.worker` does the jobs that it reads, one JSON object per line."""

import importlib
import json
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is to call: a function of a module of this package, with these arguments.

    Attributes:
        alone: it sets something up for the whole process, so each run gets a fresh one.
    """

    environment: str
    module: str
    function: str
    arguments: dict[str, str | int]
    alone: bool = True

    def dumps(self) -> str:
        """Return the job as one line of JSON."""
        return json.dumps(asdict(self))


def main() -> int:
    """Do every job of standard input and print what each returns."""
    for line in sys.stdin:
        job = Job(**json.loads(line))
        function = getattr(importlib.import_module(job.module), job.function)
        print(json.dumps(function(**job.arguments)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
