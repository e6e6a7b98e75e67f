"""The command line: `unbroken demo`. Importing this imports no client."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import unbroken

_CLIENTS = {"confluent-kafka": "confluent_kafka", "aiokafka": "aiokafka", "kafka-python": "kafka"}
"""The name that each client is imported by."""
_DEMO_NEEDS = ("confluent_kafka", "jinja2", "opentelemetry.exporter.otlp.proto.http", "opentelemetry.sdk", "rich")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 when it did its work, 2 when something is missing or wrong."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.command is None:
        parser.print_help()
        return 2
    try:
        return _demo(options)
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="unbroken", description="One trace across every broker.")
    parser.add_argument("--version", action="version", version=f"unbroken {unbroken.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="see a trace break at Kafka, and hold",
        description="Runs four small services twice, the way most code is written and with unbroken, prints both "
        "traces and writes a page with the waterfalls. Without --bootstrap it uses the Kafka that is inside the "
        "confluent-kafka wheel.",
    )
    demo.add_argument("--bootstrap", metavar="HOST:PORT", help="use this Kafka instead of the embedded one")
    demo.add_argument("--otlp", metavar="URL", help="export the spans to this OTLP/HTTP backend as well")
    demo.add_argument(
        "--client", choices=_CLIENTS, default="confluent-kafka", help="the services' client (%(default)s)"
    )
    demo.add_argument(
        "--html", metavar="PATH", type=Path, default=Path("unbroken-demo.html"), help="the page (./%(default)s)"
    )
    return parser


def _demo(options: argparse.Namespace) -> int:
    if missing := [name for name in _DEMO_NEEDS if not _is_installed(name)]:
        print(f'unbroken demo needs {", ".join(missing)}: pip install "unbroken[demo]"', file=sys.stderr)
        return 2
    if not _is_installed(_CLIENTS[options.client]):
        print(f'{options.client} is not installed: pip install "unbroken[{options.client}]"', file=sys.stderr)
        return 2
    from unbroken.demo.show import Options, run

    return run(Options(options.client, options.bootstrap, options.otlp, options.html))


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package that it is in
        return False
