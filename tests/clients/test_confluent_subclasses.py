"""Being a subclass changes nothing: what the client raises, ours raises, as a drop-in and under zero code."""

import subprocess
import sys
from typing import Any

import pytest

confluent_kafka = pytest.importorskip("confluent_kafka")
pytest.importorskip("opentelemetry.instrumentation.instrumentor")

PROGRAM = """
import sys
import confluent_kafka as client

def outcome(call):
    try:
        return repr(call())
    except Exception as error:
        return f"{type(error).__name__}: {error}"

plain, names = client, [name for name in ("Producer", "Consumer", "ShareConsumer") if hasattr(client, name)]
native = {name: getattr(client, name) for name in names}
deserializing, serializing = client.DeserializingConsumer, client.SerializingProducer
if sys.argv[1] == "zero code":
    from unbroken.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor
    ConfluentKafkaInstrumentor().instrument()
    ours = client
else:
    import unbroken.clients.confluent_kafka as ours

CALLS = {
    "Producer": [lambda one: one.produce("t", b"1"), lambda one: one.flush(0), lambda one: one.poll(0)],
    "Consumer": [lambda one: one.poll(0.1), lambda one: one.consume(1, 0.1), lambda one: one.close()],
    "ShareConsumer": [lambda one: one.poll(0.1), lambda one: one.close()],
}
for name in names:
    kind = getattr(ours, name)
    assert kind is not native[name] and issubclass(kind, native[name])
    assert outcome(kind) == outcome(native[name]), (name, outcome(kind), outcome(native[name]))
    assert outcome(lambda: kind(None)) == outcome(lambda: native[name](None)), name

    class Forgetful(kind):
        def __init__(self):
            pass

    class Plain(native[name]):
        def __init__(self):
            pass

    for number, call in enumerate(CALLS[name] if sys.argv[2] == "calls" else []):
        expected = outcome(lambda: call(Plain()))
        found = outcome(lambda: call(Forgetful()))
        assert found == expected, (name, number, found, expected)

assert issubclass(ours.DeserializingConsumer, ours.Consumer)
assert issubclass(ours.SerializingProducer, ours.Producer)
assert issubclass(ours.DeserializingConsumer, deserializing) and issubclass(ours.SerializingProducer, serializing)

class Meta(type):
    pass

class WithMetaclass(ours.Consumer, metaclass=Meta):  # a class of ours has no metaclass that could be in the way
    pass
"""


FORGETFUL = """
import confluent_kafka

class Plain(confluent_kafka.Producer):
    def __init__(self):
        pass

Plain().produce("t", b"1")
"""


def run(*arguments: str) -> Any:
    return subprocess.run([sys.executable, "-c", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("how", ["drop-in", "zero code"])
def test_a_class_of_ours_raises_what_the_client_s_raises(how: str) -> None:
    # Older versions of the client end the process where a subclass has not called its constructor.
    crashes = run(FORGETFUL).returncode < 0
    answer = run(PROGRAM, how, "no calls" if crashes else "calls")
    assert answer.returncode == 0, answer.stderr
