"""What is measured: groups of jobs that take turns."""

from bench.contenders import ALWAYS_OFF, BARE, CONTRIB, DDTRACE, DROP_IN, HAND, OURS, SAMPLED, UNSAMPLED, environment
from bench.worker import Job

Group = tuple[Job, ...]

SECTIONS = ("micro", "confluent", "aiokafka", "kafka-python", "memory")

MICRO_ENVIRONMENTS = ("opentelemetry", "ddtrace", "unbroken")
LOOPS = {
    "confluent": (
        ("confluent-kafka", "poll", (SAMPLED, UNSAMPLED, ALWAYS_OFF)),
        ("confluent-kafka", "consume(500)", (SAMPLED, UNSAMPLED)),
        ("confluent-kafka", "produce", (SAMPLED, UNSAMPLED)),
    ),
    "aiokafka": (
        ("aiokafka", "getone", (SAMPLED, UNSAMPLED)),
        ("aiokafka", "send", (SAMPLED, UNSAMPLED)),
    ),
    "kafka-python": (
        ("kafka-python", "iterator", (SAMPLED, UNSAMPLED)),
        ("kafka-python", "send", (SAMPLED, UNSAMPLED)),
    ),
}


def groups(section: str, bootstrap: str, messages: int, soaked: int) -> list[Group]:
    """Return the groups of `section`; a loop runs over `messages` messages, the memory run over `soaked`."""
    if section == "micro":
        return [tuple(_micro(name, bootstrap) for name in MICRO_ENVIRONMENTS)]
    if section == "memory":
        return [(Job("unbroken", "bench.memory", "measure", {"bootstrap": bootstrap, "messages": soaked}),)]
    return [
        tuple(
            _loop(client, loop, contender, condition, bootstrap, messages)
            for contender in _contenders(client, condition)
        )
        for client, loop, conditions in LOOPS[section]
        for condition in conditions
    ]


def _contenders(client: str, condition: str) -> tuple[str, ...]:
    """Return who can run: ddtrace knows neither kafka-python nor a sampler of OpenTelemetry."""
    foreign = (DDTRACE,) if client != "kafka-python" and condition != ALWAYS_OFF else ()
    return (BARE, HAND, CONTRIB, *foreign, OURS, DROP_IN)


def _micro(name: str, bootstrap: str) -> Job:
    return Job(name, "bench.micro", "measure", {"environment": name, "bootstrap": bootstrap})


def _loop(client: str, loop: str, contender: str, condition: str, bootstrap: str, messages: int) -> Job:
    return Job(
        environment(contender, client),
        "bench.loops",
        "measure",
        {
            "client": client,
            "loop": loop,
            "contender": contender,
            "condition": condition,
            "bootstrap": bootstrap,
            "messages": messages,
        },
    )
