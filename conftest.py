"""What is collected here: tests and examples of a framework only where the framework is installed.

Not every framework can be installed beside the others, so tox.ini has environments for them; each names in
`UNBROKEN_FRAMEWORKS` those that it must have.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
FRAMEWORKS = ("celery", "dramatiq", "faststream", "faust", "quixstreams", "taskiq")
FOLDERS = (ROOT / "tests" / "frameworks", ROOT / "src" / "unbroken" / "frameworks", ROOT / "docs" / "frameworks")


def pytest_configure() -> None:
    """Refuse to begin without the frameworks that this environment is for."""
    required = [name for name in os.environ.get("UNBROKEN_FRAMEWORKS", "").split(",") if name]
    missing = [name for name in required if find_spec(name) is None]
    if missing:
        raise pytest.UsageError(f"this environment has to have {', '.join(missing)}")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """True for what needs a framework that is not here; None leaves the answer to others."""
    name = collection_path.stem
    if collection_path.parent in FOLDERS and name in FRAMEWORKS and find_spec(name) is None:
        return True
    return None
