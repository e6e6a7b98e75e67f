"""boto3: SQS clients and resources whose calls are traced.

    from unbroken.clients.boto3 import instrument

    sqs = instrument(boto3.client("sqs"))
    queues = instrument(boto3.resource("sqs"))

Each call goes through the events of this one client (`client.meta.events`). A message carries the current context in
its attributes and makes one PRODUCER span, each entry of a batch its own. A poll asks for the attributes that hold a
context and, when it brought messages, makes one `receive` span; its messages know their queue: `process(message)`.
To delete a message, or to change its visibility, is a span below its process span.

Messages of a client that is not instrumented are read as well, and so are the records of a Lambda event. A record says
which queue it comes from, the message of such a client is told: `process(message, queue_url)`.
"""

from importlib import import_module

from unbroken.errors import required

with required("boto3", "botocore"):
    import_module("botocore")  # what is instrumented is its client: without it that is said here

from unbroken.clients.boto3.dropins import instrument, uninstrument

__all__ = ["instrument", "uninstrument"]
