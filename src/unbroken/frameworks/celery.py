"""Celery: each task runs in the trace that published it, through retries, chains, groups, chords and dead letters.

    from unbroken.frameworks.celery import instrument

    app = Celery("shop", broker="amqp://localhost")
    instrument(app)                                         # in workers and in whatever publishes

Publishing makes one PRODUCER span, current while Celery talks to the broker, and puts its context into the headers of
the task. Executing makes one CONSUMER span, current from `task_prerun` to `task_postrun`: in the task, its `on_failure`
and `after_return`, and where Celery publishes the retry, the errback or the next task of a chain. What is rejected goes
to the dead-letter queue with the headers that it came with.
"""

# Celery has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from __future__ import annotations

import functools
import re
import sys
import weakref
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from unbroken.errors import required

with required("celery"):
    from celery import Celery, signals, states
    from celery.app.task import Context as Request

from unbroken.clients import rabbitmq_facts
from unbroken.messaging import semconv
from unbroken.messaging.message import MessageType, register
from unbroken.messaging.process import process
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending, start_send
from unbroken.messaging.tracing import log_internal_error, warn_once
from unbroken.propagation.carriers import MAPPING
from unbroken.propagation.context import attach, detach, inject

__all__ = ["instrument", "uninstrument"]

TASK_NAME = "celery.task_name"
STATE = "celery.state"
"""The state in which Celery leaves the task: SUCCESS, FAILURE, RETRY, REJECTED, IGNORED."""

_SYSTEMS = {"amqp": "rabbitmq", "sqs": "aws_sqs"}
"""`messaging.system` by kombu's name of the protocol; others keep kombu's name (redis)."""
_OPERATIONS = {"rabbitmq": "publish"}

_DELAY = re.compile(r"(?:[01]\.){28}")
"""What kombu writes before a routing key for a delay in quorum queues: the seconds in binary, a digit per exchange."""


def instrument(app: Celery) -> None:
    """Trace what this app publishes and executes; twice is once.

    Where OpenTelemetry's own instrumentation of Celery is on, it is switched off, so that there is one span and one
    context per message; where it is switched on afterwards, ours steps aside for as long.
    """
    app = _itself(app)
    if app in _apps:
        return
    contrib = _contrib()
    if contrib is not None:
        contrib.uninstrument()
        warn_once("opentelemetry-instrumentation-celery was on and is switched off: unbroken traces Celery")
    _apps[app] = _Application(app.__dict__.get("send_task"))
    app.send_task = _traced(app, app.send_task)
    for signal, receiver in _RECEIVERS:
        signal.connect(receiver)  # held weakly, the default: functions of a module stay


def uninstrument(app: Celery) -> None:
    """Undo `instrument`; tasks that are running end their spans."""
    app = _itself(app)
    application = _apps.pop(app, None)
    if application is None:
        return
    if getattr(app.__dict__.get("send_task"), "is_of_unbroken", False):  # else somebody has wrapped it once more
        if application.send_task is None:
            del app.send_task
        else:
            app.send_task = application.send_task
    if not _apps:
        _disconnect()


@dataclass(slots=True)
class _Application:
    """What is known of an app.

    Attributes:
        send_task: what was set on the app itself before ours; None for the method of its class.
        writing: attributes of the broker that it publishes to, once they were asked for.
        reading: attributes of the broker that its workers consume from.
    """

    send_task: Callable[..., Any] | None
    writing: Attributes | None = None
    reading: Attributes | None = None


_apps: weakref.WeakKeyDictionary[Any, _Application] = weakref.WeakKeyDictionary()
_running: dict[int, process] = {}
"""The tasks that are being executed, by the identity of their request, which each scope holds."""


class _Publishing:
    """One call of `send_task`: the signal inside it starts the span, and whatever comes first ends it.

    The signals alone cannot: nothing is signalled when publishing fails.
    """

    __slots__ = ("_sending", "_token", "app")

    def __init__(self, app: Any) -> None:
        self.app = app
        self._sending: Sending | None = None
        self._token: Any = None

    def start(self, sending: Sending) -> None:
        self._sending = sending
        if (inside := sending.context) is not None:
            self._token = attach(inside)

    def finish(self, error: BaseException | None = None) -> None:
        token, self._token = self._token, None
        if token is not None:
            detach(token)
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.end(error)


_publishing: ContextVar[_Publishing | None] = ContextVar("unbroken-celery-publishing", default=None)


def _traced(app: Any, send_task: Callable[..., Any]) -> Callable[..., Any]:
    """Return `send_task` of an app, inside which a published message is one span."""

    @functools.wraps(send_task)
    def traced(*args: Any, **named: Any) -> Any:
        if app not in _apps:
            return send_task(*args, **named)
        publishing = _Publishing(app)
        token = _publishing.set(publishing)
        try:
            result = send_task(*args, **named)
        except BaseException as error:
            publishing.finish(error)
            raise
        finally:
            _publishing.reset(token)
            publishing.finish()
        return result

    traced.is_of_unbroken = True  # type: ignore[attr-defined]
    return traced


def _before_publish(
    sender: Any = None,
    headers: Any = None,
    properties: Any = None,
    exchange: Any = None,
    routing_key: Any = None,
    **_: object,
) -> None:
    publishing = _publishing.get()
    if publishing is None or type(headers) is not dict or _is_left_to_contrib():
        return
    try:
        known = _broker(publishing.app, "writing")
        destination = _destination(getattr(exchange, "name", exchange), routing_key)
        if known[semconv.SYSTEM] == "aws_sqs":
            options = publishing.app.conf.broker_transport_options
            destination = f"{options.get('queue_name_prefix', '')}{routing_key}"

        def describe() -> Attributes:
            system = known[semconv.SYSTEM]
            attributes: Attributes = {
                **known,
                semconv.OPERATION_NAME: _OPERATIONS.get(system, "send"),
                semconv.OPERATION_TYPE: "send",
                semconv.DESTINATION: destination,
                TASK_NAME: str(sender),
            }
            if message_id := headers.get("id") or (properties or {}).get("correlation_id"):
                attributes[semconv.MESSAGE_ID] = str(message_id)
            if system == "rabbitmq" and routing_key:
                attributes[semconv.RABBITMQ_ROUTING_KEY] = str(routing_key)
            return attributes

        sending = start_send(destination, headers, describe, MAPPING)
        publishing.start(sending)
        if sending.headers is not headers:  # Celery made this dict for this message: the signal is there to change it
            headers.clear()
            headers.update(sending.headers)
    except Exception as error:
        log_internal_error("the publishing of a task", error)


def _after_publish(**_: object) -> None:
    publishing = _publishing.get()
    if publishing is not None:
        publishing.finish()


def _before_task(task: Any = None, **_: object) -> None:
    try:
        app = task.app
        if app not in _apps or _is_left_to_contrib():
            return
        request = task.request
        attributes = {**_broker(app, "reading"), TASK_NAME: task.name}
        if request.is_eager and not _delivery(request).get("routing_key"):
            attributes[semconv.DESTINATION] = app.conf.task_default_queue
        scope = process(request, attributes=attributes)
        scope.__enter__()
        _running[id(request)] = scope
    except Exception as error:
        log_internal_error("the start of a task", error)


def _after_task(task: Any = None, retval: Any = None, state: str | None = None, **_: object) -> None:
    try:
        scope = _running.pop(id(task.request), None)
        if scope is None:
            return
        error = _failure(state, retval)
        if state is not None and scope.span.is_recording():
            scope.span.set_attribute(STATE, state)
        scope.__exit__(type(error) if error is not None else None, error, None)
        if not _apps and not _running:
            _disconnect()
    except Exception as error:
        log_internal_error("the end of a task", error)


def _failure(state: str | None, retval: Any) -> BaseException | None:
    """Return why an execution failed; a retry that nothing has caused (a task that polls) has not failed."""
    if state is None:  # left by SystemExit and the like, or by an exception that an eager caller wants to see
        return sys.exc_info()[1]
    cause: Any = None
    if state == states.RETRY:
        cause = retval.exc
    elif state == states.REJECTED:
        cause = retval.reason if isinstance(retval.reason, BaseException) else retval
    elif state == states.FAILURE:
        cause = retval
    return cause if isinstance(cause, BaseException) else None


_RECEIVERS: tuple[tuple[Any, Callable[..., None]], ...] = (
    (signals.before_task_publish, _before_publish),
    (signals.after_task_publish, _after_publish),
    (signals.task_prerun, _before_task),
    (signals.task_postrun, _after_task),
)


def _disconnect() -> None:
    for signal, receiver in _RECEIVERS:
        if receiver is not _after_task or not _running:  # what runs wants to be ended
            signal.disconnect(receiver)


def _itself(app: Any) -> Any:
    """Return the app that `current_app`, or a default one, stands for."""
    found = getattr(app, "_get_current_object", None)
    return app if found is None else found()


def _contrib() -> Any:
    """Return OpenTelemetry's instrumentor of Celery when it is on; it is never imported for that."""
    module = sys.modules.get("opentelemetry.instrumentation.celery")
    if module is None:
        return None
    instrumentor: Any = module.CeleryInstrumentor()  # there is one of it
    return instrumentor if instrumentor.is_instrumented_by_opentelemetry else None


def _is_left_to_contrib() -> bool:
    if _contrib() is None:
        return False
    warn_once("opentelemetry-instrumentation-celery was switched on: it traces Celery, unbroken does not")
    return True


def _broker(app: Any, direction: str) -> Attributes:
    """Return the attributes of the broker that an app talks to, without connecting to it."""
    application = _apps.get(app)
    known: Attributes | None = getattr(application, direction, None)
    if known is None:
        connection = app.connection_for_write() if direction == "writing" else app.connection_for_read()
        protocol = connection.transport.driver_type
        known = {semconv.SYSTEM: _SYSTEMS.get(protocol, protocol)}
        if protocol == "amqp" and connection.hostname and len(connection.alt) < 2:  # several name a cluster
            known[semconv.SERVER_ADDRESS] = connection.hostname
            known[semconv.SERVER_PORT] = int(connection.port or connection.default_port)
        if application is not None:
            setattr(application, direction, known)
    return known


def _delivery(request: Any) -> Mapping[str, Any]:
    return _mapping(request.delivery_info)


def _sqs_delivery(request: Any) -> Mapping[str, Any]:
    """Return what kombu tells of a message of SQS: `sqs_queue`, the URL, and `sqs_message`; nothing for others."""
    found = _mapping(_mapping(request.properties).get("delivery_info"))
    return found if "sqs_queue" in found else {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _headers(request: Any) -> Mapping[Any, Any]:
    """Return the headers of the task: of an eager one, which no broker has seen, the context of its caller."""
    given = _mapping(request.headers)
    if request.is_eager:
        carried: Mapping[Any, Any] = inject(given)
        return carried
    return {**vars(request), **given}  # Celery makes each header an attribute of the request


def _attributes(request: Any) -> Attributes:
    delivery, sqs = _delivery(request), _sqs_delivery(request)
    attributes = rabbitmq_facts.processing(
        _name(request),
        None if sqs else delivery.get("routing_key"),
        None,
        delivery.get("redelivered"),
        vars(request),
        request.id,
        None,
    )
    del attributes[semconv.RABBITMQ_DELIVERY_TAG]  # Celery keeps it to itself
    if isinstance(request.retries, int):
        attributes[semconv.ATTEMPT] = request.retries + 1
    if sqs:
        attributes[semconv.SQS_QUEUE_URL] = sqs["sqs_queue"]
        count = _mapping(_mapping(sqs.get("sqs_message")).get("Attributes")).get("ApproximateReceiveCount")
        if count is not None:
            attributes[semconv.RECEIVE_COUNT] = int(count)
    return attributes


def _name(request: Any) -> str:
    """Return the destination; of SQS the queue that the message was taken from, which may be a dead-letter queue."""
    if sqs := _sqs_delivery(request):
        return str(sqs["sqs_queue"]).rpartition("/")[2]
    delivery = _delivery(request)
    return _destination(delivery.get("exchange"), delivery.get("routing_key"))


def _destination(exchange: Any, routing_key: Any) -> str:
    """Return the destination of a task; of one that is delayed in quorum queues, where it is to arrive."""
    if isinstance(routing_key, str) and "celery_delayed_" in str(exchange) and (delay := _DELAY.match(routing_key)):
        exchange, routing_key = "", routing_key[delay.end() :]
    return rabbitmq_facts.published_to(exchange, routing_key)


register(
    Request,
    MessageType(
        system="celery",
        carrier=MAPPING,
        headers=_headers,
        destination=_name,
        attributes=_attributes,
        per_message_attributes=(semconv.MESSAGE_ID, semconv.ATTEMPT, semconv.REDELIVERED),
        source=lambda request: f"{_name(request)}/{request.id}",
        timestamp=lambda _: None,
        error=lambda _: None,
        consumer=lambda _: {},
        receiving="consume",
    ),
)
