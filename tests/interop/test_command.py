"""The command says what is missing, and what differs from the tree that has to be there."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from interop import __main__ as command
from interop import languages
from interop.expected import PAID
from interop.reading import Order
from interop.show import show
from interop.spans import Span
from interop.stores import Jaeger
from services import Unavailable, jaeger, kafka, tempo
from services.backend import Backend
from services.process import free_port

TRACE = "a1d8c5f0e3b24796b0c1d2e3f4a59687"
STORE = Jaeger(Backend("http://127.0.0.1:4318", "http://127.0.0.1:16686"))
ROOT_SPAN = Span(TRACE, "3c7e19ab5d02f468", None, "POST /orders", "SERVER", "storefront", 0, 1_500_000, False, ())


def shown(order: Order, host: str | None = None) -> str:
    text = io.StringIO()
    show(Console(file=text, width=120), [order], host)
    return text.getvalue()


def test_a_server_that_does_not_answer_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv(kafka.ENVIRONMENT_VARIABLE, address)
    assert command.main([]) == 1
    assert capsys.readouterr().err == f"UNBROKEN_KAFKA={address}: no Kafka answers there\n"


def test_what_cannot_be_built_is_named_and_keeps_nothing_else_from_being_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def missing() -> Path:
        raise Unavailable("there is no `go`")

    monkeypatch.setattr(jaeger, "build", missing)
    monkeypatch.setattr(tempo, "build", lambda: tmp_path / "tempo")
    for name in ("node_programs", "java_programs", "confluent_client"):
        monkeypatch.setattr(languages, name, lambda name=name: tmp_path / name)
    assert command.main(["--build"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "there is no `go`",
        *(str(tmp_path / name) for name in ("tempo", "node_programs", "java_programs", "confluent_client")),
    ]


def test_an_order_is_shown_as_a_tree_with_its_address() -> None:
    order = Order("A", STORE, ((ROOT_SPAN,),), (), ("storefront: POST /orders SERVER",))
    text = shown(order)
    assert "Order A: 1 trace" in text
    assert "POST /orders  storefront  1.5 ms" in text
    assert f"✓ Jaeger http://127.0.0.1:16686/trace/{TRACE}" in text


def test_an_address_has_the_host_that_a_browser_finds() -> None:
    assert f"http://localhost:16686/trace/{TRACE}" in shown(Order("A", STORE, ((ROOT_SPAN,),), (), ()), "localhost")


def test_what_is_missing_in_a_tree_is_shown_line_by_line() -> None:
    text = shown(Order("A", STORE, ((ROOT_SPAN,),), (), (PAID,)))
    assert f"✗ Jaeger http://127.0.0.1:16686/trace/{TRACE}" in text
    assert " storefront: POST /orders SERVER\n-  storefront: send orders PRODUCER\n" in text
