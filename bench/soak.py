"""`python -m bench.soak`: a million messages through `process`, `inject` and `forward` on the embedded broker.

Each message is produced inside a request of its own with `inject`, consumed inside `process`, and republished with
`forward` through the drop-in producer. Afterwards nothing may be left: no context attached, no span open, no memory
that grows, no message lost or in a wrong trace.
"""

import argparse
import sys

from bench import broker, environments, processes
from bench.worker import Job

MESSAGES = 1_000_000
GROWTH = "growth of RSS from the second tenth to the last, MiB"
GROWTH_ALLOWED = 5.0


def main(argv: list[str] | None = None) -> int:
    """Print what was found; return 1 when something was left behind."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES, help="how many (default: %(default)s)")
    messages = parser.parse_args(argv).messages
    environments.install_the_tree()
    with broker.running() as bootstrap:
        job = Job(environments.OURS, "bench.soaking", "soak", {"bootstrap": bootstrap, "messages": messages})
        with processes.Workers() as workers:
            found = workers.run(job)
    broken = [name for name, value in found.items() if value > (GROWTH_ALLOWED if name == GROWTH else 0)]
    for name, value in found.items():
        print(f"{name}: {value:.2f}" if name == GROWTH else f"{name}: {value:.0f}")
    print(f"{messages:,} messages: " + ("BROKEN: " + ", ".join(broken) if broken else "nothing was left behind"))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
