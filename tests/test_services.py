"""The servers of the suite: they serve, they come back after a failure, and none outlives its starter."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services import SERVICES, Unavailable
from services import kafka as service
from services.process import ServerProcess, free_port

ROOT = Path(__file__).parents[1]

confluent_kafka = pytest.importorskip("confluent_kafka")


def test_a_record_comes_back_from_each_kafka(kafka: str) -> None:
    assert roundtrip(kafka, "services-roundtrip") == b"value"


def test_a_killed_kafka_comes_back_on_its_address_with_its_records(own_kafka: service.Kafka) -> None:
    address = own_kafka.bootstrap
    produce(address, "kept")
    own_kafka.kill()
    assert not listens(address)
    own_kafka.start()
    assert own_kafka.bootstrap == address
    assert consume(address, "kept") == b"value"


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


def test_without_java_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv(service.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="openjdk-17-jre-headless"), service.running():
        pass


def test_without_maven_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.touch(mode=0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.delenv(service.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="apt-get install maven"), service.running():
        pass


def test_a_silent_address_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv(service.ENVIRONMENT_VARIABLE, address)
    with pytest.raises(Unavailable, match=address), service.running():
        pass


def test_the_address_in_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, real_kafka: str) -> None:
    monkeypatch.setenv(service.ENVIRONMENT_VARIABLE, real_kafka)
    with service.running() as address:
        assert address == real_kafka


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
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
    return False
