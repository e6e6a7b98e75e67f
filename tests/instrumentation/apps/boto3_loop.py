import sys

import boto3

from tests.instrumentation.apps.shop import after, first, handle

url, name = sys.argv[1:]
sqs = boto3.client("sqs", endpoint_url=url, region_name="elasticmq", aws_access_key_id="x", aws_secret_access_key="x")
queue = sqs.create_queue(QueueName=name)["QueueUrl"]
sqs.send_message(
    QueueUrl=queue, MessageBody="one", MessageAttributes={"kind": {"DataType": "String", "StringValue": "a"}}
)
(message,) = first(
    lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MessageAttributeNames=["All"]).get("Messages")
)
handle("one")
sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
sqs.receive_message(QueueUrl=queue)
after()
print(sorted(message["MessageAttributes"]))  # noqa: T201 - what the test reads
