"""One trace through Node, Python and Java, over Kafka, RabbitMQ and SQS, as Jaeger and Tempo have it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import pytest

from interop import chain
from interop.chain import Brokers, Met
from interop.expected import ORDERS, POISON
from interop.reading import Order, read
from interop.stores import Store
from services import Unavailable

ALL = (*ORDERS, POISON)
BOTH = pytest.mark.parametrize("where", [0, 1], ids=["Jaeger", "Tempo"])


@dataclass(frozen=True)
class Ran:
    """A run of the chain that has ended."""

    met: tuple[Met, ...]
    stores: tuple[Store, ...]
    suffix: str
    is_broken: bool

    def order(self, name: str, where: int) -> Order:
        """What a store has of an order."""
        return read(self.stores[where], self.met, name, is_broken=self.is_broken, suffix=self.suffix)


@pytest.fixture(scope="module")
def whole(brokers: Brokers, stores: tuple[Store, ...], leave_out: Callable[[str, str], NoReturn]) -> Ran:
    """The chain with unbroken."""
    return ran(brokers, stores, leave_out, is_broken=False)


@pytest.fixture(scope="module")
def broken(brokers: Brokers, stores: tuple[Store, ...], leave_out: Callable[[str, str], NoReturn]) -> Ran:
    """The chain with stock OpenTelemetry code."""
    return ran(brokers, stores, leave_out, is_broken=True)


def ran(
    brokers: Brokers, stores: tuple[Store, ...], leave_out: Callable[[str, str], NoReturn], *, is_broken: bool
) -> Ran:
    suffix = chain.new_suffix()
    try:
        met = chain.run(brokers, stores, is_broken=is_broken, suffix=suffix)
    except Unavailable as error:
        leave_out("the chain in three languages", str(error))
    return Ran(met, stores, suffix, is_broken)


@BOTH
@pytest.mark.parametrize("name", ALL)
def test_an_order_is_one_trace_with_its_tree(name: str, where: int, whole: Ran) -> None:
    order = whole.order(name, where)
    assert order.shapes == order.expected
    assert len(order.traces) == 1


@BOTH
def test_a_poll_links_what_it_has_received_in_its_own_trace(where: int, whole: Ran) -> None:
    order = whole.order(ORDERS[0], where)
    polls = {span.span_id: span for span in order.linked}
    ((trace,),) = [order.traces]
    received = {
        sender.name: poll.name
        for span in trace
        for _, span_id in span.links
        if (poll := polls.get(span_id)) is not None
        for sender in trace
        if (sender.trace_id, sender.span_id) in poll.links
    }
    assert received == {"send orders": "poll orders", "send paid": "poll paid"}


def test_both_stores_have_the_same_spans(whole: Ran) -> None:
    jaeger, tempo = ([whole.order(name, where).traces for name in ALL] for where in (0, 1))
    assert jaeger == tempo


def test_every_service_has_met_the_poison_in_the_trace_of_its_order(whole: Ran) -> None:
    met = {(each.service, each.trace_id) for each in whole.met if each.order == POISON}
    (trace_id,) = chain.traces_of(whole.met, POISON)
    assert met == {
        (service, trace_id) for service in ("storefront", "pricing", "payments", "dead-letters", "refunds", "archive")
    }


@BOTH
@pytest.mark.parametrize("name", ALL)
def test_stock_code_breaks_an_order_into_the_pieces_that_it_has_to(name: str, where: int, broken: Ran) -> None:
    order = broken.order(name, where)
    assert order.shapes == order.expected
