"""The same questions about RabbitMQ and SQS: `python -m bench.behaviour.queues` writes `bench/behaviour-queues.json`.

Each cell is one process on a real RabbitMQ or ElasticMQ, with queues of its own that a process without instrumentation
has filled.
"""
