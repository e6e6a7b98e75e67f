"""`python -m services NAME` prints the address of the server and keeps it running until Ctrl-C or SIGTERM."""

import argparse
import importlib
import signal
import sys
from contextlib import AbstractContextManager
from typing import NoReturn, Protocol, cast

from services import SERVICES, Unavailable


class _Service(Protocol):
    def running(self) -> AbstractContextManager[object]: ...  # an address, as text


def main(argv: list[str]) -> int:
    """Return 0 after the server was stopped, 1 if it cannot run here."""
    parser = argparse.ArgumentParser(
        prog="python -m services",
        description="Start one server, print its address, stop it on Ctrl-C.",
        epilog="\n".join(f"{name:10} {what}" for name, what in SERVICES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=list(SERVICES))
    name: str = parser.parse_args(argv).name
    service = cast("_Service", importlib.import_module(f"services.{name}"))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with service.running() as address:
            print(address, flush=True)
            signal.pause()
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
