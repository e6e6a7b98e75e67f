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
import sys
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import ContextVar
from typing import Any

from unbroken.errors import required

with required("celery"):
    from celery import Celery, signals, states

from unbroken.frameworks.celery_requests import (
    TASK_NAME,
    consuming_broker,
    destination_of,
    forget_broker,
    is_published,
    mapping,
    publishing_broker,
)
from unbroken.frameworks.late_binding import late_bound
from unbroken.frameworks.worker_exit import flush
from unbroken.messaging import semconv
from unbroken.messaging.scope import MessageScope
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending, start_send
from unbroken.messaging.tracing import log_internal_error, warn_once
from unbroken.propagation.carriers import MAPPING
from unbroken.propagation.context import attach, attached, detach, extract, inject

__all__ = ["instrument", "uninstrument"]

STATE = "celery.state"
"""The state in which Celery leaves the task: SUCCESS, FAILURE, RETRY, REJECTED, IGNORED."""

_OPERATIONS = {"rabbitmq": "publish"}
"""`messaging.operation.name` of publishing; others send."""


def instrument(app: Celery) -> Celery:
    """Trace what this app publishes and executes, and return it; twice is once.

    Where OpenTelemetry's own instrumentation of Celery is on, it is switched off, so that there is one span and one
    context per message; where it is switched on afterwards, ours steps aside for as long.
    """
    given, app = app, _itself(app)
    if app in _apps:
        return given
    contrib = _contrib()
    if contrib is not None:
        contrib.uninstrument()
        warn_once("opentelemetry-instrumentation-celery was on and is switched off: unbroken traces Celery")
    _apps[app] = app.__dict__.get("send_task")
    app.send_task = _traced(app)
    for signal, receiver in _RECEIVERS:
        signal.connect(receiver)  # held weakly, the default: functions of a module stay
    return given


def uninstrument(app: Celery) -> None:
    """Undo `instrument`; tasks that are running end their spans."""
    app = _itself(app)
    if app not in _apps:
        return
    before = _apps.pop(app)
    forget_broker(app)
    if getattr(app.__dict__.get("send_task"), "is_of_unbroken", False):  # else somebody has wrapped it once more
        if before is None:
            del app.send_task
        else:
            app.send_task = before
    if not _apps:
        _disconnect()


_apps: weakref.WeakKeyDictionary[Any, Callable[..., Any] | None] = weakref.WeakKeyDictionary()
"""The apps, with the `send_task` that was set on them before ours; None for the method of their class."""
_running: dict[int, MessageScope] = {}
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


def _traced(app: Any) -> Callable[..., Any]:
    """Return `send_task` of an app, inside which a published message is one span."""
    send_task = late_bound(app, "send_task")

    @functools.wraps(app.send_task)
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
        exchange = getattr(exchange, "name", exchange)
        message_id = headers.get("id") or (properties or {}).get("correlation_id")
        sending = _start(publishing.app, sender, message_id, headers, exchange, routing_key)
        publishing.start(sending)
        if sending.headers is not headers:  # Celery made this dict for this message: the signal is there to change it
            headers.clear()
            headers.update(sending.headers)
    except Exception as error:
        log_internal_error("the publishing of a task", error)


def _start(app: Any, task: Any, message_id: Any, headers: Any, exchange: Any, routing_key: Any) -> Sending:
    """Start to publish one task."""
    known = publishing_broker(app)
    system: str = known[semconv.SYSTEM]
    destination = destination_of(app, system, exchange, routing_key)

    def describe() -> Attributes:
        attributes: Attributes = {
            **known,
            semconv.OPERATION_NAME: _OPERATIONS.get(system, "send"),
            semconv.OPERATION_TYPE: "send",
            semconv.DESTINATION: destination,
            TASK_NAME: str(task),
        }
        if message_id:
            attributes[semconv.MESSAGE_ID] = str(message_id)
        if system == "rabbitmq" and routing_key:
            attributes[semconv.RABBITMQ_ROUTING_KEY] = str(routing_key)
        return attributes

    return start_send(destination, headers, describe, MAPPING)


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
        stands_for_published = request.is_eager and is_published(request)
        if stands_for_published:
            _publish_eagerly(app, task.name, request)
        scope = MessageScope(request, attributes={**consuming_broker(app), TASK_NAME: task.name})
        scope.open()
        _running[id(request)] = scope
        if stands_for_published:  # an eager retry comes when this attempt is over, with the headers of its request
            request.headers = inject(request.headers)
    except Exception as error:
        log_internal_error("the start of a task", error)


def _publish_eagerly(app: Any, task: str, request: Any) -> None:
    """Give an eager task the span and the headers that it would have from a broker."""
    delivery, headers = mapping(request.delivery_info), mapping(request.headers)
    routing_key = delivery.get("routing_key") or app.conf.task_default_queue
    with attached(extract(headers)) if request.retries else nullcontext():
        sending = _start(app, task, request.id, headers, delivery.get("exchange"), routing_key)
    sending.end()
    request.headers = sending.headers


def _after_task(task: Any = None, retval: Any = None, state: str | None = None, **_: object) -> None:
    try:
        scope = _running.pop(id(task.request), None)
        if scope is None:
            return
        if state is not None and scope.span.is_recording():
            scope.span.set_attribute(STATE, state)
        scope.close(_failure(state, retval))
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


def _before_exit(**_: object) -> None:
    """Export what the process has recorded: a child of the pool ends without `atexit`."""
    flush()


_RECEIVERS: tuple[tuple[Any, Callable[..., None]], ...] = (
    (signals.before_task_publish, _before_publish),
    (signals.after_task_publish, _after_publish),
    (signals.task_prerun, _before_task),
    (signals.task_postrun, _after_task),
    (signals.worker_process_shutdown, _before_exit),
    (signals.worker_shutdown, _before_exit),
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
