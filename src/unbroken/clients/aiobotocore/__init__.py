"""aiobotocore: SQS clients whose calls are traced.

    from unbroken.clients.aiobotocore import instrument

    async with get_session().create_client("sqs") as client:
        sqs = instrument(client)

What `unbroken.clients.boto3` says of its clients holds here: the events are the same.
"""

from importlib import import_module

from unbroken.errors import required

with required("aiobotocore", "aiobotocore", "botocore"):
    import_module("aiobotocore")  # what is instrumented is its client: without it that is said here

from unbroken.clients.aiobotocore.dropins import instrument, uninstrument

__all__ = ["instrument", "uninstrument"]
