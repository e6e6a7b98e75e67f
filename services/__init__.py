"""Starts the servers that tests and measurements talk to. Never imported by `unbroken`.

One module per server, named after it. Each has `running()`, a context manager that gives the address of a server that
answers (two of one that stores traces: OTLP and its API), started for the occasion or found through the environment
variable that the module names. A server is added by its module and one line in `SERVICES`.
"""

SERVICES = {
    "elasticmq": "ElasticMQ, which speaks SQS, from Maven Central (or a running one: UNBROKEN_SQS=http://host:port)",
    "embedded": "librdkafka's mock cluster inside this process: no JVM, no transactions worth testing",
    "jaeger": "Jaeger, built by Go (or a running one: UNBROKEN_JAEGER=http://otlp-host:port,http://query-host:port)",
    "kafka": "Apache Kafka, one node, from Maven Central (or a running one: UNBROKEN_KAFKA=host:port)",
    "rabbitmq": "RabbitMQ, one node, from Debian's package (or a running one: UNBROKEN_AMQP=amqp://host:port/)",
    "tempo": "Grafana Tempo, built by Go (or a running one: UNBROKEN_TEMPO=http://otlp-host:port,http://query-host:port)",
}


class Unavailable(RuntimeError):
    """This machine cannot run the server: the message names what is missing and how to get it."""
