"""One measurement, run in the environment of a contender: `python -m bench.worker JOB` prints its result as JSON."""

import importlib
import json
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is to call: a function of a module of this package, with these arguments."""

    environment: str
    module: str
    function: str
    arguments: dict[str, str | int]

    def dumps(self) -> str:
        """Return the job as JSON."""
        return json.dumps(asdict(self))


def main(argv: list[str]) -> int:
    """Run the job in `argv` and print what it returns."""
    job = Job(**json.loads(argv[0]))
    function = getattr(importlib.import_module(job.module), job.function)
    print(json.dumps(function(**job.arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
