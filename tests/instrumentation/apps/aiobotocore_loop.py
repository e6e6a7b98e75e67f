import asyncio
import sys

from aiobotocore.session import get_session

from tests.instrumentation.apps.shop import after, handle

SERVER = {"region_name": "elasticmq", "aws_access_key_id": "x", "aws_secret_access_key": "x"}


async def main(url: str, name: str) -> None:
    async with get_session().create_client("sqs", endpoint_url=url, **SERVER) as sqs:
        queue = (await sqs.create_queue(QueueName=name))["QueueUrl"]
        await sqs.send_message(QueueUrl=queue, MessageBody="one")
        messages = None
        while not messages:
            messages = (await sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)).get("Messages")
        handle("one")
        await sqs.delete_message(QueueUrl=queue, ReceiptHandle=messages[0]["ReceiptHandle"])
        await sqs.receive_message(QueueUrl=queue)
        after()


asyncio.run(main(*sys.argv[1:]))
