import sys

import pika

from tests.instrumentation.apps.shop import after, first, handle

url, queue = sys.argv[1:]
with pika.BlockingConnection(pika.URLParameters(url)) as connection:
    channel = connection.channel()
    channel.queue_declare(queue)
    for name in ("callback", "loop", "get"):
        channel.basic_publish("", queue, name.encode())

    def on_message(channel, method, properties, body):  # type: ignore[no-untyped-def]
        handle(body.decode())
        channel.basic_ack(method.delivery_tag)
        channel.stop_consuming()

    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(queue, on_message)
    channel.start_consuming()

    for method, _, body in channel.consume(queue):
        handle(body.decode())
        channel.basic_ack(method.delivery_tag)
        break
    channel.cancel()

    _, _, body = first(lambda: (got := channel.basic_get(queue, auto_ack=True))[0] and got)
    handle(body.decode())
after()
