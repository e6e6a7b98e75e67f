import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from tests.instrumentation.apps.shop import after, first, handle

bootstrap, topic = sys.argv[1:]
options = {"bootstrap_servers": bootstrap, "api_version": (2, 0)}
producer = KafkaProducer(**options)
for number in range(4):
    producer.send(topic, b"%d" % number, partition=0).get(10)
producer.close()

consumer = KafkaConsumer(**options)
partition = TopicPartition(topic, 0)
consumer.assign([partition])
consumer.seek_to_beginning(partition)
next(consumer)
handle("next")
for _ in consumer:
    handle("for")
    break
consumer.seek(partition, 2)
count = 0
while count < 2:
    count += sum(map(len, consumer.poll(500, max_records=2).values()))
    handle("the batch")
consumer.seek(partition, 3)
first(lambda: consumer.poll(500, max_records=1))
handle("one of poll")
consumer.close()
after()
