"""Every block of Python in the README and the documentation runs, and prints what the page says."""

import codeop
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, blocks, name, needed, server

pytest.importorskip("confluent_kafka")
pytest.importorskip("opentelemetry.sdk")

WITH_CODE = [page for page in PAGES if any(block.language == "python" for block in blocks(page))]


def on(wanted: str) -> pytest.MarkDecorator:
    """The pages whose code talks to a server, or to none but the embedded Kafka."""
    return pytest.mark.parametrize("page", [page for page in WITH_CODE if server(page) == wanted], ids=name)


@on("")
def test_the_code_of_the_page_runs(page: Path) -> None:
    run(page)


@on("kafka")
def test_the_code_of_the_page_runs_on_kafka(page: Path, real_kafka: str) -> None:
    run(page, UNBROKEN_KAFKA=real_kafka)


@on("rabbitmq")
def test_the_code_of_the_page_runs_on_rabbitmq(page: Path, rabbitmq: str) -> None:
    run(page, UNBROKEN_AMQP=rabbitmq)


@on("elasticmq")
def test_the_code_of_the_page_runs_on_elasticmq(page: Path, elasticmq: str) -> None:
    run(page, UNBROKEN_SQS=elasticmq)


def run(page: Path, **environment: str) -> None:
    """Run the page in a process of its own; skip it where a client that it needs is not there."""
    for module in needed(page):
        if not _is_installed(module):
            pytest.skip(f"{module} is not in this version of its package")
    paths = os.pathsep.join((str(ROOT), str(ROOT / "src")))
    finished = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-m", "tests.docs.run", str(page)],
        cwd=ROOT,
        env={**os.environ, **environment, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_no_block_is_written_for_a_prompt(page: Path) -> None:
    wrong = [block.line for block in blocks(page) if block.language == "python" and ">>> " in block.text]
    assert wrong == []


def test_the_tutorial_can_be_pasted_into_a_session_line_by_line() -> None:
    for block in blocks(ROOT / "docs/tutorial.md"):
        if block.language == "python":
            typed: list[str] = []
            for line in [*block.text.splitlines(), ""]:
                typed.append(line)
                if codeop.compile_command("\n".join(typed)) is not None:  # raises what the prompt of Python 3.12 raises
                    typed.clear()


def _is_installed(module: str) -> bool:
    try:
        # faust, once imported, has no spec that could be found
        return module in sys.modules or importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
