"""pika: connections with callbacks."""

from collections.abc import Callable
from typing import Any

import pika
from opentelemetry.context import get_current
from opentelemetry.trace import StatusCode

from tests.clients.rabbitmq import attributes, settled, trace_id
from tests.contract.conftest import Spans, context_of
from unbroken.clients.pika import instrument


class Selected:
    """A SelectConnection with one channel; each step is called with the channel when the one before is done."""

    def __init__(self, url: str) -> None:
        self.failure: BaseException | None = None
        self.connection = pika.SelectConnection(
            pika.URLParameters(url),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._opened),
            on_open_error_callback=lambda _, error: self._fail(error),
        )

    def run(self, act: Callable[["Selected", Any], None]) -> None:
        """Run the loop until `stop` is called."""
        self.act = act
        self.connection.ioloop.call_later(20, lambda: self._fail(TimeoutError("the loop was not stopped")))
        try:
            self.connection.ioloop.start()
        finally:
            self.connection.ioloop.close()
        if self.failure is not None:
            raise self.failure

    def stop(self, *_: Any) -> None:
        self.connection.add_on_close_callback(lambda *_: self.connection.ioloop.stop())
        if self.connection.is_open:
            self.connection.close()

    def stop_without(self, spans: Spans) -> Callable[[Any], None]:
        """A callback that stops the loop when no span is open."""

        def stop(_: Any) -> None:
            if not spans.open:
                self.stop()

        return stop

    def _opened(self, channel: Any) -> None:
        try:
            self.act(self, channel)
        except BaseException as error:  # noqa: BLE001 - raised by `run`
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.failure = error
        self.connection.ioloop.stop()


def test_the_span_of_a_channel_with_callbacks_ends_with_the_confirmation(rabbitmq: str, spans: Spans) -> None:
    open_when_published: list[int] = []
    confirmed: list[Any] = []

    def act(selected: Selected, channel: Any) -> None:
        instrument(channel)

        def publish(_: Any) -> None:
            for _ in range(3):
                channel.basic_publish("amq.topic", "orders", b"value")
            open_when_published.append(len(spans.open))

        def answer(frame: Any) -> None:
            confirmed.append(frame)
            if not spans.open:
                selected.stop()

        channel.confirm_delivery(answer, callback=publish)

    Selected(rabbitmq).run(act)
    assert open_when_published == [3]
    assert confirmed
    assert [span.status.status_code for span in spans.sent] == [StatusCode.UNSET] * 3


def test_without_confirms_the_span_ends_with_the_call(rabbitmq: str, spans: Spans) -> None:
    def act(selected: Selected, channel: Any) -> None:
        instrument(channel).basic_publish("amq.topic", "orders", b"value")
        assert spans.open == {}
        selected.stop()

    Selected(rabbitmq).run(act)
    assert len(spans.sent) == 1


def test_a_returned_message_marks_its_own_span(rabbitmq: str, spans: Spans) -> None:
    def act(selected: Selected, channel: Any) -> None:
        instrument(channel)

        def publish(_: Any) -> None:
            channel.basic_publish("amq.topic", "orders", b"value")
            channel.basic_publish("", "nowhere", b"value", mandatory=True)

        channel.confirm_delivery(selected.stop_without(spans), callback=publish)

    Selected(rabbitmq).run(act)
    assert {span.name: attributes(span).get("error.type") for span in spans.sent} == {
        "publish amq.topic:orders": None,
        "publish nowhere": "NO_ROUTE",
    }


def test_a_refused_message_marks_its_own_span(rabbitmq: str, spans: Spans) -> None:
    def act(selected: Selected, channel: Any) -> None:
        instrument(channel)

        def publish(_: Any) -> None:
            channel.basic_publish("", "full", b"value")
            channel.basic_publish("", "full", b"value")

        def confirm(_: Any) -> None:
            channel.confirm_delivery(selected.stop_without(spans), callback=publish)

        overflow = {"x-max-length": 1, "x-overflow": "reject-publish"}
        channel.queue_declare("full", exclusive=True, arguments=overflow, callback=confirm)

    Selected(rabbitmq).run(act)
    assert sorted(attributes(span).get("error.type", "") for span in spans.sent) == ["", "nack"]


def test_messages_without_an_answer_end_with_their_channel(rabbitmq: str, spans: Spans) -> None:
    def act(selected: Selected, channel: Any) -> None:
        instrument(channel)

        def publish(_: Any) -> None:
            channel.basic_publish("no such exchange", "orders", b"value")  # the broker closes the channel

        channel.add_on_close_callback(selected.stop)
        channel.confirm_delivery(lambda _: None, callback=publish)

    Selected(rabbitmq).run(act)
    assert [attributes(span)["error.type"] for span in spans.sent] == ["pika.exceptions.ChannelClosedByBroker"]


def test_callbacks_of_consume_and_get_run_in_their_traces(rabbitmq: str, spans: Spans) -> None:
    seen: list[int] = []

    def act(selected: Selected, channel: Any) -> None:
        instrument(channel)

        def handle(channel: Any, method: Any, *_: Any) -> None:
            seen.append(trace_id())
            channel.basic_ack(method.delivery_tag)
            if len(seen) == 1:
                channel.basic_publish("", "mine", b"value")
                channel.basic_consume("mine", handle)
            else:
                selected.stop()

        def declared(_: Any) -> None:
            channel.basic_publish("", "mine", b"value")
            channel.basic_get("mine", handle)

        channel.queue_declare("mine", exclusive=True, callback=declared)

    Selected(rabbitmq).run(act)
    assert seen == [context_of(span).trace_id for span in spans.processed]
    assert len(settled(spans)) == 2
    assert get_current() == {}
