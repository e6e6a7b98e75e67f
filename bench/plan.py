"""What is measured: groups of jobs that take turns, in sections that can be run one by one."""

from dataclasses import dataclass

from bench import micro
from bench.contenders import (
    ALONE,
    ALWAYS_OFF,
    BARE,
    BOTOCORE,
    CONTRIB,
    DDTRACE,
    DROP_IN,
    HAND,
    OURS,
    SAMPLED,
    UNSAMPLED,
    UNSETTLED,
    ZERO,
    environment,
)
from bench.loops import ZERO_CODE
from bench.worker import Job

Group = tuple[Job, ...]

KAFKA = (BARE, HAND, CONTRIB, DDTRACE, OURS, DROP_IN)
WITHOUT_DDTRACE = (BARE, HAND, CONTRIB, OURS, DROP_IN)
PEERS = (BARE, HAND, CONTRIB, OURS)
WITH_FLOOR = (BARE, ALONE, *PEERS[1:])
SETTLING = (*PEERS, UNSETTLED)
SQS = (BARE, HAND, CONTRIB, BOTOCORE, OURS)
MIDDLEWARE = (BARE, CONTRIB, OURS)
ZERO_CODES = (BARE, CONTRIB, ZERO)


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop of one client and who runs it under which conditions."""

    client: str
    name: str
    contenders: tuple[str, ...]
    conditions: tuple[str, ...] = (SAMPLED, UNSAMPLED)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the measurements.

    Attributes:
        server: what the loops talk to: `embedded`, `rabbitmq`, `elasticmq`.
        divisor: by how much fewer messages its loops have than those of Kafka's clients: its servers are slower.
    """

    server: str = "embedded"
    loops: tuple[Loop, ...] = ()
    divisor: int = 1


SECTIONS = {
    "micro": Section(),
    "confluent": Section(
        loops=(
            Loop("confluent-kafka", "poll", KAFKA),
            Loop(
                "confluent-kafka", "poll", WITHOUT_DDTRACE, (ALWAYS_OFF,)
            ),  # ddtrace knows no sampler of OpenTelemetry
            Loop("confluent-kafka", "consume(500)", KAFKA),
            Loop("confluent-kafka", "produce", KAFKA),
        )
    ),
    "aiokafka": Section(loops=(Loop("aiokafka", "getone", KAFKA), Loop("aiokafka", "send", KAFKA))),
    "kafka-python": Section(
        loops=(Loop("kafka-python", "iterator", WITHOUT_DDTRACE), Loop("kafka-python", "send", WITHOUT_DDTRACE))
    ),
    "memory": Section(),
    "floor": Section(),
    "hostile": Section(),
    "zero-code": Section(
        loops=(
            Loop("confluent-kafka", f"poll{ZERO_CODE}", ZERO_CODES, (SAMPLED, UNSAMPLED, ALWAYS_OFF)),
            Loop("confluent-kafka", f"produce{ZERO_CODE}", ZERO_CODES),
            Loop("aiokafka", f"getone{ZERO_CODE}", ZERO_CODES),
            Loop("kafka-python", f"iterator{ZERO_CODE}", ZERO_CODES),
        )
    ),
    "rabbitmq": Section(
        "rabbitmq",
        (
            Loop("pika", "basic_consume", WITH_FLOOR, (SAMPLED,)),
            Loop("pika", "basic_consume", PEERS, (UNSAMPLED,)),
            Loop("pika", "consume", PEERS),
            Loop("pika", "basic_consume with basic_ack", SETTLING),
            Loop("pika", "basic_publish", WITH_FLOOR, (SAMPLED,)),
            Loop("pika", "basic_publish", PEERS, (UNSAMPLED,)),
            Loop("aio-pika", "consume", PEERS),
            Loop("aio-pika", "iterator", PEERS),
            Loop("aio-pika", "consume with process()", SETTLING),
            Loop("aio-pika", "publish", PEERS),
        ),
        divisor=3,
    ),
    "sqs": Section(
        "elasticmq",
        (
            Loop("boto3", "receive and delete", (*SQS, UNSETTLED)),
            Loop("boto3", "send_message", SQS),
            Loop("boto3", "send_message_batch", SQS),
            Loop("aiobotocore", "receive and delete", SETTLING),
            Loop("aiobotocore", "send_message", PEERS),
        ),
        divisor=10,
    ),
    "faststream-kafka": Section(
        loops=(
            Loop("faststream", "Kafka subscriber", MIDDLEWARE),
            Loop("faststream", "Confluent subscriber", MIDDLEWARE),
        ),
        divisor=3,
    ),
    "faststream-rabbitmq": Section(
        "rabbitmq",
        (
            Loop("faststream", "RabbitMQ subscriber", MIDDLEWARE),
            Loop("faststream", "publish to RabbitMQ", MIDDLEWARE),
        ),
        divisor=3,
    ),
}


def groups(section: str, address: str, messages: int, soaked: int) -> list[Group]:
    """Return the groups of `section`; a loop runs over `messages` messages, the memory run over `soaked`."""
    arguments: dict[str, str | int] = {"bootstrap": address}
    if section == "micro":
        return [
            tuple(_statement(case.name, operation, found.contender, address) for found in statements)
            for case, operation, statements in micro.rows()
        ]
    if section == "floor":
        return [
            (Job("unbroken", "bench.floor", "process_steps", arguments),),
            (Job("unbroken", "bench.floor", "produce_steps", {**arguments, "messages": messages}),),
        ]
    if section == "hostile":
        return [(Job("unbroken", "bench.hostile", "measure", {}),)]
    if section == "memory":
        return [(Job("unbroken", "bench.memory", "measure", {**arguments, "messages": soaked}),)]
    found = SECTIONS[section]
    return [
        tuple(_loop(loop, contender, condition, found.server, address, messages) for contender in loop.contenders)
        for loop in found.loops
        for condition in loop.conditions
    ]


def environments(section: str) -> list[str]:
    """Return the names of the environments that `section` runs in."""
    return sorted({job.environment for group in groups(section, "", 0, 0) for job in group})


def _statement(case: str, operation: str, contender: str, bootstrap: str) -> Job:
    arguments: dict[str, str | int] = {
        "bootstrap": bootstrap,
        "case": case,
        "operation": operation,
        "contender": contender,
    }
    return Job(micro.ENVIRONMENT_OF[contender], "bench.micro", "measure", arguments, alone=False)


def _loop(loop: Loop, contender: str, condition: str, server: str, address: str, messages: int) -> Job:
    return Job(
        environment(contender, loop.client),
        "bench.loops",
        "measure",
        {
            "client": loop.client,
            "loop": loop.name,
            "contender": contender,
            "condition": condition,
            "server": server,
            "address": address,
            "messages": messages,
        },
    )
