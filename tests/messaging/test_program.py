"""What type checkers say about a program that uses all that is public."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("program.py")
VERSIONS = ("3.10", "3.13")


@pytest.mark.parametrize("version", VERSIONS)
def test_mypy_finds_the_types_that_are_promised(version: str, tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    settings = tmp_path / "mypy.ini"
    settings.write_text("[mypy]\n[mypy-aiokafka.*,kafka.*]\nignore_missing_imports = True\n")
    check(
        [
            *("mypy", "--strict", f"--python-version={version}", "--warn-unreachable"),
            *(f"--config-file={settings}", f"--cache-dir={tmp_path}"),
        ]
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_pyright_finds_the_types_that_are_promised(version: str, tmp_path: Path) -> None:
    pytest.importorskip("pyright")
    settings = tmp_path / "pyrightconfig.json"
    settings.write_text(
        f'{{"typeCheckingMode": "strict", "include": ["{PROGRAM}"], "extraPaths": ["{ROOT / "src"}"],'
        f' "pythonVersion": "{version}"}}'
    )
    check(["pyright", f"--project={settings}", f"--pythonpath={sys.executable}"], program=())


def check(command: list[str], program: tuple[str, ...] = (str(PROGRAM),)) -> None:
    """Run a type checker on the program; what it finds is the message of the failure."""
    found = subprocess.run(
        [sys.executable, "-m", *command, *program],
        env={**os.environ, "MYPYPATH": str(ROOT / "src")},
        cwd=ROOT / "src",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout
