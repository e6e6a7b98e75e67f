"""`make interop`: runs the chain on servers of its own and shows what Jaeger and Tempo have of it."""

import argparse
import signal
import sys
import time
from contextlib import ExitStack
from typing import Any

from rich.console import Console

from interop import chain, languages
from interop.chain import Brokers
from interop.expected import ORDERS, POISON
from interop.program import ProgramFailed
from interop.reading import read
from interop.show import show
from interop.stores import Jaeger, Store, Tempo
from services import Unavailable, elasticmq, jaeger, kafka, rabbitmq, tempo


def main(argv: list[str]) -> int:
    """Return 0 when every order has the traces that it has to have in both stores, 1 when not or when it cannot run."""
    parser = argparse.ArgumentParser(
        prog="python -m interop",
        description="One trace through Node, Python and Java, over Kafka, RabbitMQ and SQS, in Jaeger and Tempo.",
        epilog="Servers that run already are used instead: UNBROKEN_KAFKA, _AMQP, _SQS, _JAEGER, _TEMPO.",
    )
    parser.add_argument("--broken", action="store_true", help="the same services with stock OpenTelemetry code")
    parser.add_argument(
        "--keep", action="store_true", help="keep the servers running until Ctrl-C, to look at the traces"
    )
    parser.add_argument("--build", action="store_true", help="only build what it needs, which takes minutes, once")
    parser.add_argument("--patience", type=float, default=0, metavar="SECONDS", help="wait for servers that are given")
    parser.add_argument("--browser-host", metavar="HOST", help="the name by which a browser finds Jaeger and Tempo")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers end in order, as with Ctrl-C
    console = Console()
    if arguments.build:
        return _build(console)
    try:
        with ExitStack() as stack:
            with console.status("starting Kafka, RabbitMQ, ElasticMQ, Jaeger and Tempo"):
                deadline = time.monotonic() + arguments.patience
                brokers = Brokers(*(_entered(stack, service, deadline) for service in (kafka, rabbitmq, elasticmq)))
                stores = (Jaeger(_entered(stack, jaeger, deadline)), Tempo(_entered(stack, tempo, deadline)))
            is_right = _run(console, brokers, stores, arguments)
            if arguments.keep:
                console.print("The servers run until Ctrl-C.")
                signal.pause()
            console.print("With --keep the servers stay, and the addresses can be opened.", style="dim")
            return 0 if is_right else 1
    except (Unavailable, ProgramFailed) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(console: Console, brokers: Brokers, stores: tuple[Store, ...], arguments: argparse.Namespace) -> bool:
    """Run the chain, show what the stores have of it, and return whether that is what they have to have."""
    suffix = chain.new_suffix()
    with console.status("building and running the services"):
        met = chain.run(brokers, stores, is_broken=arguments.broken, suffix=suffix)
    is_right = True
    for name in (*ORDERS, POISON):
        orders = [read(store, met, name, is_broken=arguments.broken, suffix=suffix) for store in stores]
        show(console, orders, arguments.browser_host)
        is_right = is_right and all(order.is_as_expected for order in orders)
    console.print()
    console.print("as expected, in both" if is_right else "not as expected", style="bold")
    return is_right


def _build(console: Console) -> int:
    """Build all that is kept in the cache; what cannot be built is named, and keeps nothing else from being built."""
    status = 0
    programs = (languages.node_programs, languages.java_programs, languages.confluent_client)
    for build in (jaeger.build, tempo.build, *programs):
        try:
            console.print(build(), soft_wrap=True)
        except Unavailable as error:
            console.print(error, style="red", soft_wrap=True)
            status = 1
    return status


def _entered(stack: ExitStack, service: Any, deadline: float) -> Any:
    """What the block of a server gives; one that is given but does not answer is asked again until the deadline."""
    while True:
        try:
            return stack.enter_context(service.running())
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
