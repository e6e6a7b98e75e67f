"""What is measured: groups of jobs that take turns."""

from bench import micro
from bench.contenders import ALWAYS_OFF, BARE, CONTRIB, DDTRACE, DROP_IN, HAND, OURS, SAMPLED, UNSAMPLED, environment
from bench.worker import Job

Group = tuple[Job, ...]

SECTIONS = ("micro", "confluent", "aiokafka", "kafka-python", "memory", "floor")

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
        return [
            tuple(_statement(case.name, operation, found.contender, bootstrap) for found in statements)
            for case, operation, statements in micro.rows()
        ]
    if section == "floor":
        arguments: dict[str, str | int] = {"bootstrap": bootstrap}
        return [
            (Job("unbroken", "bench.floor", "process_steps", arguments),),
            (Job("unbroken", "bench.floor", "produce_steps", {**arguments, "messages": messages}),),
        ]
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


def _statement(case: str, operation: str, contender: str, bootstrap: str) -> Job:
    arguments: dict[str, str | int] = {
        "bootstrap": bootstrap,
        "case": case,
        "operation": operation,
        "contender": contender,
    }
    return Job(micro.ENVIRONMENT_OF[contender], "bench.micro", "measure", arguments, alone=False)


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
