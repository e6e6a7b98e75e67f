"""One trace across every broker.

from unbroken import process, inject, forward, receive, bind

producer.produce("orders", value, headers=inject())     # the current context, on the wire

with process(message):                                  # extract, attach, CONSUMER span, detach: always
    handle(message)
"""

from unbroken.errors import (
    InvalidHeader,
    InvalidVariable,
    MissingClient,
    OpenTwice,
    UnbrokenError,
    UnknownCarrier,
    UnknownMessage,
    WrongArgument,
)
from unbroken.messaging.forward import forward
from unbroken.messaging.instrument import instrument
from unbroken.messaging.message import MessageType, extract, register
from unbroken.messaging.policy import Policy, configure
from unbroken.messaging.process import process
from unbroken.messaging.receive import receive
from unbroken.messaging.send import send
from unbroken.propagation.carriers import ATTRIBUTES, MAPPING, PAIRS, Carrier
from unbroken.propagation.context import attached, inject
from unbroken.propagation.handoff import BoundExecutor, bind

__version__ = "0.1.0"

__all__ = [
    "ATTRIBUTES",
    "MAPPING",
    "PAIRS",
    "BoundExecutor",
    "Carrier",
    "InvalidHeader",
    "InvalidVariable",
    "MessageType",
    "MissingClient",
    "OpenTwice",
    "Policy",
    "UnbrokenError",
    "UnknownCarrier",
    "UnknownMessage",
    "WrongArgument",
    "attached",
    "bind",
    "configure",
    "extract",
    "forward",
    "inject",
    "instrument",
    "process",
    "receive",
    "register",
    "send",
]
