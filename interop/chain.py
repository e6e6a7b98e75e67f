"""The chain of services: what it is made of, how it is run, and in which traces each order was met."""

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from interop import languages
from interop.expected import ORDERS, POISON
from interop.program import Program
from interop.stores import Store

_SECONDS_TO_START = 120.0  # 6 s on an idle machine of two cores, most of it Spring Boot's
_SECONDS_TO_RUN = 120.0
TOPICS = ("orders", "priced", "priced{}-dlt", "paid")
"""The names of the Kafka topics, with the place of the suffix of a run (at the end, where none is marked)."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service: what it is called, the command of its program by name, and how often it tells of an order."""

    name: str
    command: Callable[[str], list[str]]
    program: str
    stock: str
    tells: int
    stock_tells: int


_ALL = len(ORDERS) + 1
_ATTEMPTS = len(ORDERS) + 3
SERVICES = (
    Service(
        "payments", languages.java, "payments.Payments", "stock.Payments", _ATTEMPTS, _ATTEMPTS
    ),  # the slowest starts first
    Service("shipping", languages.node, "shipping", "stock/shipping", len(ORDERS), len(ORDERS)),
    Service("pricing", languages.python, "pricing", "stock.pricing", _ALL, 2 * _ALL),
    Service("dead-letters", languages.python, "dead_letters", "stock.dead_letters", 1, 1),
    Service("refunds", languages.python, "refunds", "stock.refunds", 1, 1),
    Service("archive", languages.python, "archive", "stock.archive", 1, 1),
    Service("storefront", languages.node, "storefront", "stock/storefront", _ALL, _ALL),
)


@dataclass(frozen=True, slots=True)
class Brokers:
    """The addresses of Kafka (host:port), RabbitMQ (a URL) and SQS (an endpoint)."""

    kafka: str
    amqp: str
    sqs: str


@dataclass(frozen=True, slots=True)
class Met:
    """That a service met an order in a trace."""

    service: str
    order: str
    trace_id: str


def run(brokers: Brokers, stores: Sequence[Store], *, is_broken: bool = False, suffix: str = "") -> tuple[Met, ...]:
    """Run the chain once, until every order has reached its end and every span was exported.

    Args:
        brokers: where the services meet.
        stores: all of them get every span.
        is_broken: run the services that are written with stock OpenTelemetry code.
        suffix: of the names of topics and queues, so that runs on the same brokers do not meet.

    Raises:
        Unavailable: a language is missing on this machine.
        ProgramFailed: a service ended with an error, or took too long.
    """
    commands = {each.name: each.command(each.stock if is_broken else each.program) for each in SERVICES}
    _create_topics(brokers.kafka, suffix)
    environment = {
        "UNBROKEN_KAFKA": brokers.kafka,
        "UNBROKEN_AMQP": brokers.amqp,
        "UNBROKEN_SQS": brokers.sqs,
        "UNBROKEN_OTLP": ",".join(store.backend.otlp for store in stores),
        "INTEROP_SUFFIX": suffix,
        "INTEROP_ORDERS": ",".join((*ORDERS, POISON)),
        "INTEROP_POISON": POISON,
        # A server that speaks SQS wants a region and a signature, whosever they are.
        "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "eu-west-1"),
        "AWS_ACCESS_KEY_ID": os.environ.get("AWS_ACCESS_KEY_ID", "interop"),
        "AWS_SECRET_ACCESS_KEY": os.environ.get("AWS_SECRET_ACCESS_KEY", "interop"),
    }
    met = []
    with tempfile.TemporaryDirectory(prefix="unbroken-interop-") as folder, ExitStack() as stack:
        services = {
            name: stack.enter_context(Program(name, command, environment, Path(folder) / f"{name}.log"))
            for name, command in commands.items()
        }
        started = time.monotonic() + _SECONDS_TO_START
        for program in services.values():
            program.await_ready(started)
        finished = time.monotonic() + _SECONDS_TO_RUN
        for service in reversed(SERVICES):  # whoever fails first is named, not those that wait for it
            for _ in range(service.stock_tells if is_broken else service.tells):
                told = services[service.name].told(finished)
                met.append(Met(service.name, told["order"], told["trace"]))
        for program in services.values():
            program.unwanted()
        for program in services.values():
            program.end()
    return tuple(met)


def new_suffix() -> str:
    """Return a suffix of the names of topics and queues that no run had before."""
    return f"-{secrets.token_hex(4)}"


def traces_of(met: Sequence[Met], order: str) -> tuple[str, ...]:
    """Return the ids of the traces in which an order was met, in the order in which they were."""
    return tuple(dict.fromkeys(each.trace_id for each in met if each.order == order))


def _create_topics(bootstrap: str, suffix: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 3})
    names = [name.format(suffix) if "{}" in name else f"{name}{suffix}" for name in TOPICS]
    for created in admin.create_topics([NewTopic(name, 1, 1) for name in names]).values():
        created.result(30)
