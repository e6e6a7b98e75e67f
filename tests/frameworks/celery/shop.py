"""A shop on Celery, as a worker runs it: `celery -A tests.frameworks.celery.shop worker`."""

from __future__ import annotations

import os
import threading
from typing import Any

from celery import Celery
from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.signals import task_postrun, worker_process_init
from opentelemetry import context, trace

from tests.frameworks.celery import settings
from tests.frameworks.exported import export_to, export_when_told
from unbroken.frameworks.celery import instrument

tracer = trace.get_tracer("shop")


def tell_the_context(task: Any, **_: object) -> None:
    """Tell what a task has left behind."""
    left = sorted(context.get_current())
    with tracer.start_as_current_span("after", attributes={"left": left, "id": task.request.id}):
        pass


def export(**_: object) -> None:
    """Set the providers of this process."""
    export_when_told(os.environ["SHOP_SPANS"])


app = Celery("shop", set_as_current=False)
if "SHOP_SPANS" in os.environ:  # else imported by who collects tests
    if os.environ["SHOP_EXPORTS"] == "at once":
        export_to(os.environ["SHOP_SPANS"])
    elif os.environ["SHOP_EXPORTS"] == "when told":
        export()
    else:  # in the child
        worker_process_init.connect(export)
    settings.configure(app, os.environ["SHOP_BROKER"], os.environ["SHOP_QUEUE"])
    app.conf.result_backend = os.environ["SHOP_RESULTS"]
    instrument(app)
    instrument(app)  # twice is once
    task_postrun.connect(tell_the_context)  # after ours


@app.task(name="charge")
def charge(order: str) -> str:
    with tracer.start_as_current_span("charging", attributes={"order": order}):
        return order


@app.task(name="tell_the_process")
def tell_the_process() -> int:
    return os.getpid()


@app.task(name="fail")
def fail(order: str) -> None:
    raise ValueError(order)


@app.task(name="try_again", bind=True, autoretry_for=(ConnectionError,), retry_backoff=False, default_retry_delay=0)
def try_again(task: Any, order: str) -> None:
    if task.request.retries < 2:
        raise ConnectionError(order)
    charge(order)


@app.task(name="poll", bind=True, default_retry_delay=0)
def poll(task: Any, order: str) -> None:
    if task.request.retries == 0:
        raise task.retry()


@app.task(name="refuse", bind=True, acks_late=True)
def refuse(task: Any, order: str) -> None:
    if _queue(task).endswith("-dead"):
        charge(order)
    else:
        raise Reject(ValueError(order), requeue=False)


@app.task(name="dawdle", soft_time_limit=1)
def dawdle(order: str) -> None:
    try:
        threading.Event().wait()
    except SoftTimeLimitExceeded:
        charge(order)
        raise


@app.task(name="publish_more")
def publish_more(order: str) -> None:
    charge.delay(order)


@app.task(name="total")
def total(orders: list[str]) -> int:
    return len(orders)


@app.task(name="leave")
def leave(order: str) -> None:
    context.attach(context.set_value("left by the task", order))


def _queue(task: Any) -> str:
    """The queue that the message was taken from; SQS keeps the routing key of the first."""
    delivery = task.request.properties.get("delivery_info") or {}
    queue: str = delivery.get("sqs_queue") or task.request.delivery_info["routing_key"]
    return queue
