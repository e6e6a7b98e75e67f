"""Every block of Python in the README and the documentation runs, and prints what the page says."""

import codeop
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, blocks, name, needed

pytest.importorskip("confluent_kafka")
pytest.importorskip("opentelemetry.sdk")

WITH_CODE = [page for page in PAGES if any(block.language == "python" for block in blocks(page))]


@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_the_code_of_the_page_runs(page: Path) -> None:
    for module in needed(page):
        if not _is_installed(module):
            pytest.skip(f"{module} is not in this version of its package")
    paths = os.pathsep.join((str(ROOT), str(ROOT / "src")))
    finished = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-m", "tests.docs.run", str(page)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
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
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
