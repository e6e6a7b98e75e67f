"""`make interop`: runs the chain on servers of its own and shows what Jaeger and Tempo have of it."""

import argparse
import signal
import sys
from contextlib import ExitStack

from rich.console import Console

from interop import chain
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
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers end in order, as with Ctrl-C
    console = Console()
    try:
        with ExitStack() as stack:
            return _run(console, stack, is_broken=arguments.broken, is_kept=arguments.keep)
    except (Unavailable, ProgramFailed) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(console: Console, stack: ExitStack, *, is_broken: bool, is_kept: bool) -> int:
    with console.status("starting Kafka, RabbitMQ, ElasticMQ, Jaeger and Tempo"):
        brokers = Brokers(
            stack.enter_context(kafka.running()),
            stack.enter_context(rabbitmq.running()),
            stack.enter_context(elasticmq.running()),
        )
        stores: tuple[Store, ...] = (
            Jaeger(stack.enter_context(jaeger.running())),
            Tempo(stack.enter_context(tempo.running())),
        )
    suffix = chain.new_suffix()
    with console.status("running the services"):
        met = chain.run(brokers, stores, is_broken=is_broken, suffix=suffix)
    is_right = True
    for name in (*ORDERS, POISON):
        orders = [read(store, met, name, is_broken=is_broken, suffix=suffix) for store in stores]
        show(console, orders)
        is_right = is_right and all(order.is_as_expected for order in orders)
    console.print()
    console.print("as expected, in both" if is_right else "not as expected", style="bold")
    if is_kept:
        console.print("The servers run until Ctrl-C.")
        signal.pause()
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
