"""librdkafka's mock cluster with its faults, from the library inside the confluent-kafka wheel, by ctypes.

The functions are `rd_kafka_mock_*` of rdkafka_mock.h, which librdkafka calls experimental: they are looked up by name,
and a library that lacks one is `Unavailable`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_int, c_int16, c_int32, c_size_t, c_void_p
from typing import Any

from confluent_kafka import cimpl

from services import Unavailable

PRODUCE = 0
"""The Kafka protocol's key of the request that carries records."""
OFFSET_COMMIT = 8
"""The Kafka protocol's key of the request that commits offsets."""

_PRODUCER = 0  # rd_kafka_type_t
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "rd_kafka_conf_new": (c_void_p, ()),
    "rd_kafka_new": (c_void_p, (c_int, c_void_p, c_char_p, c_size_t)),
    "rd_kafka_destroy": (None, (c_void_p,)),
    "rd_kafka_mock_cluster_new": (c_void_p, (c_void_p, c_int)),
    "rd_kafka_mock_cluster_destroy": (None, (c_void_p,)),
    "rd_kafka_mock_cluster_bootstraps": (c_char_p, (c_void_p,)),
    "rd_kafka_mock_topic_create": (c_int, (c_void_p, c_char_p, c_int, c_int)),
    "rd_kafka_mock_push_request_errors_array": (None, (c_void_p, c_int16, c_size_t, POINTER(c_int))),
    "rd_kafka_mock_broker_set_down": (c_int, (c_void_p, c_int32)),
    "rd_kafka_mock_broker_set_up": (c_int, (c_void_p, c_int32)),
    "rd_kafka_mock_broker_set_rtt": (c_int, (c_void_p, c_int32, c_int)),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, (c_void_p, c_int32)),
}


class MockCluster:
    """A Kafka of one broker whose faults are ordered by the test.

    Attributes:
        bootstrap: the address for any client in any process.
    """

    BROKER = 1
    """The id of the one broker."""

    def __init__(self, functions: dict[str, Any], handle: int) -> None:
        self._functions = functions
        self._handle = handle
        self.bootstrap: str = functions["rd_kafka_mock_cluster_bootstraps"](handle).decode()

    def create(self, topic: str, partitions: int = 1) -> str:
        """Make a topic and return its name."""
        self._call("rd_kafka_mock_topic_create", topic.encode(), partitions, 1)
        return topic

    def fail_next(self, request: int, *errors: int) -> None:
        """Answer the next requests of this kind with these error codes, one each; 0 is no error."""
        self._functions["rd_kafka_mock_push_request_errors_array"](
            self._handle, request, len(errors), (c_int * len(errors))(*errors)
        )

    def take_down(self) -> None:
        """Close the connections of the broker and refuse new ones."""
        self._call("rd_kafka_mock_broker_set_down", self.BROKER)

    def bring_up(self) -> None:
        """Let the broker serve again, on the same address and with its records."""
        self._call("rd_kafka_mock_broker_set_up", self.BROKER)

    def answer_after(self, milliseconds: int) -> None:
        """Delay every answer of the broker."""
        self._call("rd_kafka_mock_broker_set_rtt", self.BROKER, milliseconds)

    def _call(self, name: str, *args: Any) -> None:
        error: int = self._functions[name](self._handle, *args)
        if error:
            raise RuntimeError(f"{name}{args} failed with code {error}")


@contextmanager
def running() -> Iterator[MockCluster]:
    """A mock cluster that lives as long as the block.

    Raises:
        Unavailable: this librdkafka lacks one of the functions.
    """
    functions = _functions()
    problem = ctypes.create_string_buffer(512)
    owner = functions["rd_kafka_new"](_PRODUCER, functions["rd_kafka_conf_new"](), problem, len(problem))
    if not owner:
        raise RuntimeError(f"rd_kafka_new failed: {problem.value.decode()}")
    handle = functions["rd_kafka_mock_cluster_new"](owner, 1)
    try:
        functions["rd_kafka_mock_group_initial_rebalance_delay_ms"](handle, 0)  # otherwise each join takes 3 s
        yield MockCluster(functions, handle)
    finally:
        functions["rd_kafka_mock_cluster_destroy"](handle)
        functions["rd_kafka_destroy"](owner)


def _functions() -> dict[str, Any]:
    # The extension module is linked to its librdkafka: names are found in it, whatever the file of the wheel is called.
    library = ctypes.CDLL(cimpl.__file__)
    found: dict[str, Any] = {}
    for name, (result, arguments) in _SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise Unavailable(f"this librdkafka has no {name}") from None
        function.restype, function.argtypes = result, arguments
        found[name] = function
    return found
