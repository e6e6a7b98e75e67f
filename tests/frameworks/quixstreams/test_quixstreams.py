"""A message on its way through an application of quixstreams, on a real Kafka."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frameworks.kafka_shop import BAD_HEADERS, OpenShop, Shop, family, one


def test_the_function_of_a_message_runs_in_its_producers_trace(shop: OpenShop) -> None:
    order = shop.order("orders")
    spans = shop.spans(order, 3)
    assert family(spans) == {
        f"process {shop.name}.orders": "request",
        "pay": f"process {shop.name}.orders",
        f"send {shop.name}.paid": f"process {shop.name}.orders",
    }
    assert one(spans, f"process {shop.name}.orders").parent_id == order.span_id


def test_the_function_of_a_message_has_its_baggage(shop: OpenShop) -> None:
    order = shop.order("orders")
    assert one(shop.spans(order, 3), "pay").attributes["customer"] == order.name


def test_the_process_span_says_where_the_message_comes_from(shop: OpenShop) -> None:
    span = one(shop.spans(shop.order("orders"), 3), f"process {shop.name}.orders")
    assert span.kind == "CONSUMER"
    assert span.attributes["messaging.system"] == "kafka"
    assert span.attributes["messaging.destination.name"] == f"{shop.name}.orders"
    assert span.attributes["messaging.consumer.group.name"] == shop.name
    assert span.attributes["messaging.kafka.message.key"] == "customer"
    assert isinstance(span.attributes["messaging.kafka.offset"], int)


def test_the_process_span_is_current_when_the_framework_is_done_with_the_message(shop: OpenShop) -> None:
    assert one(shop.spans(shop.order("orders"), 3), f"process {shop.name}.orders").events == ["processed"]


def test_what_to_topic_sends_carries_one_traceparent_of_its_send_span(shop: OpenShop) -> None:
    order = shop.order("orders")
    sent = one(shop.spans(order, 3), f"send {shop.name}.paid")
    headers = shop.letter(sent).headers()
    assert [value for name, value in headers if name == "traceparent"] == [
        f"00-{order.trace_id}-{sent.span_id}-03".encode()
    ]
    assert ("kind", b"order") in headers


def test_a_refused_message_its_dead_letter_and_the_handler_of_that_are_one_trace(shop: OpenShop) -> None:
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


def test_a_refused_message_has_failed_although_the_application_goes_on(shop: OpenShop) -> None:
    order = shop.order("orders", "bury")
    span = one(shop.spans(order, 6), f"process {shop.name}.orders")
    assert span.error is not None
    assert order.name in span.error
    assert "exception" in span.events


def test_a_message_that_is_sent_again_stays_in_its_trace(shop: OpenShop) -> None:
    order = shop.order("orders", "retry")
    spans = shop.spans(order, 7)
    assert sorted(span.name for span in spans) == sorted(
        [
            f"process {shop.name}.orders",
            "pay",
            "refuse",
            f"send {shop.name}.retries",
            f"process {shop.name}.retries",
            "pay",
            f"send {shop.name}.paid",
        ]
    )


def test_a_dead_letter_says_where_it_comes_from(shop: OpenShop) -> None:
    order = shop.order("orders", "bury")
    spans = shop.spans(order, 6)
    source = one(spans, f"process {shop.name}.orders").attributes
    headers = dict(shop.letter(one(spans, f"send {shop.name}.dead")).headers())
    assert headers["unbroken-origin"].split(b"-")[1:3] == [order.trace_id.encode(), order.span_id.encode()]
    assert headers["unbroken-source"] == (
        f"{shop.name}.orders/{source['messaging.destination.partition.id']}/{source['messaging.kafka.offset']}".encode()
    )
    assert headers["unbroken-attempt"] == b"1"
    assert headers["unbroken-error"].endswith(f"Refused: {order.name}".encode())


def test_a_message_that_cannot_be_deserialized_is_in_its_trace_where_the_error_is_handled(shop: OpenShop) -> None:
    order = shop.order("orders", value=b"{")
    spans = shop.spans(order, 5)
    orders, dead = f"{shop.name}.orders", f"{shop.name}.dead"
    assert family(spans) == {
        f"process {orders}": "request",
        "refuse": f"process {orders}",
        f"send {dead}": "refuse",
        f"process {dead}": f"send {dead}",
        "bury": f"process {dead}",
    }
    assert one(spans, f"process {orders}").error is not None


def test_each_order_of_a_window_is_handled_in_its_own_trace(shop: OpenShop) -> None:
    orders = [shop.order("packed") for _ in range(2)]
    for order in orders:
        assert family(shop.spans(order, 2)) == {
            f"process {shop.name}.packed": "request",
            "pack": f"process {shop.name}.packed",
        }


def test_each_message_of_a_batching_sink_is_handled_in_its_own_trace(shop: OpenShop) -> None:
    order = shop.order("sunk")
    spans = shop.spans(order, 3)
    assert sorted(span.name for span in spans) == [f"process {shop.name}.sunk", f"process {shop.name}.sunk", "write"]
    assert {span.parent_id for span in spans if span.name.startswith("process")} == {order.span_id}


def test_the_messages_of_a_batching_sink_are_links_of_its_receive_span(shop: OpenShop) -> None:
    order = shop.order("sunk")
    span = shop.span(lambda span: span.name == f"poll {shop.name}.sunk" and order.span_id in span.links)
    assert span.trace_id != order.trace_id


@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_bad_header_hides_no_message(shop: OpenShop, headers: list[tuple[str, Any]]) -> None:
    order = shop.order("orders", headers=headers)
    assert shop.span(lambda span: span.attributes.get("order") == order.name).name == "pay"


def test_a_message_without_context_has_nothing_of_the_message_before(shop: OpenShop) -> None:
    shop.spans(shop.order("orders", "bury"), 6)
    order = shop.order("orders", headers=None)
    paid = shop.span(lambda span: span.attributes.get("order") == order.name)
    processed = shop.span(lambda span: span.span_id == paid.parent_id)
    assert (processed.parent_id, processed.links, paid.attributes["customer"]) == (None, [], "None")


def test_an_error_that_is_not_suppressed_ends_the_application_as_without_us(shop_to_crash: Shop) -> None:
    with shop_to_crash.worker() as worker:
        order = shop_to_crash.order("orders", "crash")
        assert worker.status() == 1
        assert worker.told("crash") == [order.name]
        assert "Refused: " + order.name in worker.log


def test_a_message_that_ended_the_application_comes_again_as_without_us(shop_to_crash: Shop) -> None:
    with shop_to_crash.worker() as worker:
        shop_to_crash.order("orders", "pay")
        order = shop_to_crash.order("orders", "crash")
        worker.status()
    assert shop_to_crash.committed("orders", 1) == 1
    with shop_to_crash.worker() as worker:
        worker.status()
        assert worker.told("crash") == [order.name]


def test_messages_are_handled_in_order_and_committed_as_without_us(shop_to_crash: Shop) -> None:
    with shop_to_crash.worker() as worker:
        orders = [shop_to_crash.order("orders", do) for do in ("pay", "bury", "pay")]
        worker.wait_for(lambda shop: len(shop.told("pay")) == 3 and shop.told("bury"))
        assert worker.told("pay") == [order.name for order in orders]
        assert worker.told("bury") == [orders[1].name]
    assert shop_to_crash.committed("orders", 3) == 3
