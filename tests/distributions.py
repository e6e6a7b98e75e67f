"""The wheel and the sdist install without extras and import. `make test` runs this file last, by name."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("dist")
    run(Path(sys.executable), "-m", "build", "--outdir", str(folder), str(ROOT))
    return {"wheel": next(folder.glob("*.whl")), "sdist": next(folder.glob("*.tar.gz"))}


@pytest.fixture(params=["wheel", "sdist"], scope="session")
def python(
    request: pytest.FixtureRequest, distributions: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The interpreter of a fresh environment that holds one distribution and what it requires."""
    folder = tmp_path_factory.mktemp(f"installed-from-{request.param}")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    constraints = ROOT / "constraints" / "newest.txt"
    run(python, "-m", "pip", "install", "-q", "-c", str(constraints), str(distributions[request.param]))
    return python


def run(python: Path, *arguments: str) -> str:
    finished = subprocess.run(
        [str(python), *arguments],
        check=False,
        cwd=python.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


def test_it_imports_and_needs_only_the_opentelemetry_api(python: Path) -> None:
    run(python, "-c", "import unbroken")
    run(python, "-m", "pip", "check")
    installed = run(python, "-m", "pip", "list", "--format=freeze").lower()
    assert "opentelemetry-api==" in installed
    unwanted = ("opentelemetry-sdk", "opentelemetry-instrumentation", "kafka", "pika", "boto", "rich", "pytest")
    assert not [name for name in unwanted if name in installed]


def test_the_command_answers(python: Path) -> None:
    assert "usage" in run(python, "-m", "unbroken", "--help").lower()
    assert run(python.parent / "unbroken", "--help") == run(python, "-m", "unbroken", "--help")


def test_the_wheel_holds_the_typed_package_and_nothing_else(distributions: dict[str, Path]) -> None:
    names = zipfile.ZipFile(distributions["wheel"]).namelist()
    information = "-".join(distributions["wheel"].name.split("-")[:2]) + ".dist-info"
    assert "unbroken/py.typed" in names
    assert [name for name in names if name.split("/")[0] not in ("unbroken", information)] == []
