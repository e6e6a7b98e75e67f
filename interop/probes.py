"""The programs that write and read messages as they are told, one for each client: their commands, by its name."""

from collections.abc import Callable

from interop import languages

PROBES: dict[str, tuple[Callable[[str], list[str]], str]] = {
    "confluent-kafka": (languages.python, "confluent_probe"),
    "aiokafka": (languages.python, "aiokafka_probe"),
    "kafka-python": (languages.python, "kafka_python_probe"),
    "kafka-clients": (languages.java, "probe.KafkaProbe"),
    "spring-kafka": (languages.java, "probe.SpringProbe"),
    "kafkajs": (languages.node, "kafkajs_probe"),
    "confluent-kafka-javascript": (languages.confluent_node, "confluent_probe"),
}

REFERENCE = "confluent-kafka"
"""The client whose spans and metrics all others have to have."""


def command(client: str) -> list[str]:
    """Return the command of the probe of a client; what it speaks is told in `interop/python/probe.py`.

    Raises:
        Unavailable: its language is missing on this machine.
    """
    language, program = PROBES[client]
    return language(program)
