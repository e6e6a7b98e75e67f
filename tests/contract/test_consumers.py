"""What a consumer tells about itself is on the spans of its messages, without asking the broker."""

from typing import Any

from tests.contract.clients import KafkaClient
from tests.contract.conftest import Spans
from unbroken import process, receive


def processed(client: KafkaClient, topic: str, spans: Spans, *, plain: bool = False) -> dict[str, Any]:
    """The attributes of the span of a message that a consumer of group `payments` processed."""
    client.send(topic)
    client.flush()
    with client.reader(topic, plain=plain, group=f"{topic}-payments") as reader, process(reader.one(), reader.consumer):
        pass
    return dict(spans.processed[0].attributes or {})


def test_the_group_is_on_the_span(client: KafkaClient, topic: str, spans: Spans) -> None:
    assert processed(client, topic, spans)["messaging.consumer.group.name"] == f"{topic}-payments"


def test_the_client_id_is_on_the_span(client: KafkaClient, topic: str, spans: Spans) -> None:
    assert processed(client, topic, spans)["messaging.client.id"] == "contract"


def test_the_server_is_on_the_span(client: KafkaClient, topic: str, spans: Spans) -> None:
    attributes = processed(client, topic, spans)
    assert f"{attributes['server.address']}:{attributes['server.port']}" == client.bootstrap


def test_the_partition_and_offset_are_on_the_span(client: KafkaClient, topic: str, spans: Spans) -> None:
    attributes = processed(client, topic, spans)
    assert (attributes["messaging.destination.partition.id"], attributes["messaging.kafka.offset"]) == ("0", 0)


def test_a_plain_consumer_tells_what_it_knows_without_the_broker(client: KafkaClient, topic: str, spans: Spans) -> None:
    group = processed(client, topic, spans, plain=True).get("messaging.consumer.group.name")
    assert group == (f"{topic}-payments" if client.plain_consumer_tells else None)


def test_process_of_the_consumer_is_process_with_the_consumer(client: KafkaClient, topic: str, spans: Spans) -> None:
    client.send(topic)
    client.flush()
    with client.reader(topic, group=f"{topic}-payments") as reader, reader.consumer.process(reader.one()):
        pass
    assert (spans.processed[0].attributes or {})["messaging.consumer.group.name"] == f"{topic}-payments"


def test_receive_of_the_consumer_takes_what_its_poll_gave(client: KafkaClient, topic: str, spans: Spans) -> None:
    client.send(topic)
    client.flush()
    with client.reader(topic, group=f"{topic}-payments") as reader:
        messages = reader.take(1)
        with reader.consumer.receive(messages), receive(messages):
            pass
    polls = [span for span in spans.ended if span.name == f"poll {topic}"]
    assert [(span.attributes or {}).get("messaging.consumer.group.name") for span in polls] == [
        None,
        f"{topic}-payments",
    ]


def test_messages_by_partition_are_received_as_one_batch(client: KafkaClient, topic: str, spans: Spans) -> None:
    client.send(topic)
    client.send(topic)
    client.flush()
    with client.reader(topic) as reader:
        one, other = reader.take(2)
        with receive({"a partition": [one], "another": [other]}):
            pass
    assert (spans.named(f"poll {topic}").attributes or {})["messaging.batch.message_count"] == 2
