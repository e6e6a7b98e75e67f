"""An event on its way through an app of faust, on a real Kafka."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frameworks.kafka_shop import BAD_HEADERS, OpenShop, Shop, family, one


def test_the_agent_of_an_event_runs_in_its_producers_trace(shop: OpenShop) -> None:
    order = shop.order("orders")
    spans = shop.spans(order, 4)
    orders = f"process {shop.name}.orders"
    assert family(spans) == {
        orders: "request",
        "pay": orders,
        f"send {shop.name}.paid": orders,
        "thank": orders,
    }
    assert one(spans, orders).parent_id == order.span_id


def test_the_agent_of_an_event_has_its_baggage(shop: OpenShop) -> None:
    order = shop.order("orders")
    assert one(shop.spans(order, 4), "pay").attributes["customer"] == order.name


def test_the_process_span_says_where_the_event_comes_from(shop: OpenShop) -> None:
    span = one(shop.spans(shop.order("orders"), 4), f"process {shop.name}.orders")
    assert span.kind == "CONSUMER"
    assert span.attributes["messaging.system"] == "kafka"
    assert span.attributes["messaging.destination.name"] == f"{shop.name}.orders"
    assert span.attributes["messaging.consumer.group.name"] == shop.name
    assert span.attributes["messaging.kafka.message.key"] == "customer"
    assert isinstance(span.attributes["messaging.kafka.offset"], int)


def test_what_a_sink_sends_carries_one_traceparent_of_its_send_span(shop: OpenShop) -> None:
    order = shop.order("orders")
    sent = one(shop.spans(order, 4), f"send {shop.name}.paid")
    headers = shop.letter(sent).headers()
    assert [value for name, value in headers if name == "traceparent"] == [
        f"00-{order.trace_id}-{sent.span_id}-03".encode()
    ]


def test_what_is_sent_later_is_in_the_trace_of_who_sent_it(shop: OpenShop) -> None:
    spans = shop.spans(shop.order("orders", "soon"), 5)
    assert family(spans)[f"send {shop.name}.late"] == f"process {shop.name}.orders"


def test_an_event_of_a_channel_in_memory_is_handled_in_the_trace_of_who_sent_it(shop: OpenShop) -> None:
    assert family(shop.spans(shop.order("orders"), 4))["thank"] == f"process {shop.name}.orders"


def test_a_change_of_a_table_makes_no_span(shop: OpenShop) -> None:
    assert not any("changelog" in span.name for span in shop.spans(shop.order("orders"), 4))


def test_a_refused_event_its_dead_letter_and_the_agent_of_that_are_one_trace(shop: OpenShop) -> None:
    spans = shop.spans(shop.order("orders", "bury"), 6)
    orders, dead = f"{shop.name}.orders", f"{shop.name}.dead"
    assert family(spans) == {
        f"process {orders}": "request",
        "pay": f"process {orders}",
        "refuse": f"process {orders}",
        f"send {dead}": "refuse",
        f"process {dead}": f"send {dead}",
        "bury": f"process {dead}",
    }


def test_an_event_that_is_sent_again_stays_in_its_trace(shop: OpenShop) -> None:
    spans = shop.spans(shop.order("orders", "retry"), 6)
    orders, retries = f"{shop.name}.orders", f"{shop.name}.retries"
    names = sorted(["pay", "pay", "refuse", f"process {orders}", f"process {retries}", f"send {retries}"])
    assert sorted(span.name for span in spans) == names


def test_a_dead_letter_says_where_it_comes_from(shop: OpenShop) -> None:
    order = shop.order("orders", "bury")
    spans = shop.spans(order, 6)
    source = one(spans, f"process {shop.name}.orders").attributes
    pairs = shop.letter(one(spans, f"send {shop.name}.dead")).headers()
    headers = dict(pairs)
    assert len(headers) == len(pairs)
    assert headers["kind"] == b"order"
    assert headers["unbroken-origin"].split(b"-")[1:3] == [order.trace_id.encode(), order.span_id.encode()]
    assert headers["unbroken-source"] == (
        f"{shop.name}.orders/{source['messaging.destination.partition.id']}/{source['messaging.kafka.offset']}".encode()
    )
    assert headers["unbroken-attempt"] == b"1"
    assert headers["unbroken-error"].endswith(f"Refused: {order.name}".encode())


def test_the_span_of_an_event_that_crashes_its_agent_covers_the_error_handler(shop: OpenShop) -> None:
    order = shop.order("orders", "crash")
    spans = shop.spans(order, 3)
    span = one(spans, f"process {shop.name}.orders")
    assert family(spans)["crashed"] == span.name
    assert span.events == ["handled", "exception"]  # what comes after its end is not recorded
    assert span.error is not None
    assert order.name in span.error


def test_the_agent_that_was_started_again_has_nothing_of_the_event_before(shop: OpenShop) -> None:
    shop.spans(shop.order("orders", "crash"), 3)
    order = shop.order("orders", headers=None)
    paid = shop.span(lambda span: span.attributes.get("order") == order.name and span.name == "pay")
    processed = shop.span(lambda span: span.span_id == paid.parent_id)
    assert (processed.parent_id, processed.links, paid.attributes["customer"]) == (None, [], "None")


def test_each_event_of_a_batch_is_handled_in_its_own_trace(shop: OpenShop) -> None:
    orders = [shop.order("packed") for _ in range(2)]
    for order in orders:
        assert family(shop.spans(order, 2)) == {
            f"process {shop.name}.packed": "request",
            "pack": f"process {shop.name}.packed",
        }


def test_the_events_of_a_batch_are_links_of_its_receive_span(shop: OpenShop) -> None:
    orders = [shop.order("packed") for _ in range(2)]
    span = shop.span(lambda span: orders[0].span_id in span.links and span.kind == "CLIENT")
    assert span.name == f"poll {shop.name}.packed"
    assert orders[1].span_id in span.links


def test_an_event_that_is_acknowledged_by_hand_has_its_span_until_then(shop: OpenShop) -> None:
    order = shop.order("manual")
    assert family(shop.spans(order, 2)) == {
        f"process {shop.name}.manual": "request",
        "acknowledge": f"process {shop.name}.manual",
    }


def test_who_asks_the_agent_that_answers_and_the_answer_are_one_trace(shop: OpenShop) -> None:
    shop.spans(shop.order("orders"), 4)  # the agent that is asked has started
    with shop.worker("-m", "tests.frameworks.faust.customer") as customer:
        assert customer.status() == 0
    ask = shop.span(lambda span: span.name == "ask")
    spans = shop.of_trace(ask.trace_id, 5)
    (sent,) = [span for span in spans if span.parent_id == ask.span_id]
    handled = one(spans, sent.name.replace("send", "process"))
    (answer,) = [span for span in spans if span.parent_id == handled.span_id and span.kind == "PRODUCER"]
    assert ask.attributes["answer"] == 2
    assert handled.parent_id == sent.span_id
    assert one(spans, answer.name.replace("send", "process")).parent_id == answer.span_id


@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_bad_header_hides_no_event(shop: OpenShop, headers: list[tuple[str, Any]]) -> None:
    order = shop.order("orders", headers=headers)
    assert shop.span(lambda span: span.attributes.get("order") == order.name).name == "pay"


@pytest.mark.parametrize(("topic", "count"), [("manual", 1), ("packed", 2)])
def test_no_context_is_left_after_an_event(shop: OpenShop, topic: str, count: int) -> None:
    order, *_ = [shop.order(topic) for _ in range(count)]
    span = shop.span(lambda span: span.name == "outside" and span.attributes["order"] == order.name)
    assert span.parent_id is None


def test_events_are_handled_in_order_and_committed_as_without_us(shop_to_crash: Shop) -> None:
    with shop_to_crash.worker() as worker:
        orders = [shop_to_crash.order("orders", do) for do in ("pay", "bury", "crash", "pay")]
        worker.wait_for(lambda shop: len(shop.told("pay")) == 4 and shop.told("bury") and shop.told("crash"))
        assert worker.told("pay") == [order.name for order in orders]
        assert worker.told("bury") == [orders[1].name]
        assert worker.told("crash") == [orders[2].name]
        assert shop_to_crash.committed("orders", 4) == 4
