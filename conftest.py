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
# Asked once: when faust has been imported, nobody finds its spec any more.
MISSING = [name for name in FRAMEWORKS if find_spec(name) is None]
REQUIRED = [name for name in os.environ.get("UNBROKEN_FRAMEWORKS", "").split(",") if name]
FOLDERS = (ROOT / "tests" / "frameworks", ROOT / "src" / "unbroken" / "frameworks", ROOT / "docs" / "frameworks")


def pytest_configure() -> None:
    """Refuse to begin without the frameworks that this environment is for."""
    missing = [name for name in REQUIRED if name in MISSING]
    if missing:
        raise pytest.UsageError(f"this environment has to have {', '.join(missing)}")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """True for what needs a framework that is not here; None leaves the answer to others."""
    return True if collection_path.parent in FOLDERS and collection_path.stem.partition("_")[0] in MISSING else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep of the documentation, where an environment is for frameworks, the pages of those."""
    if not REQUIRED:
        return
    pages = [f"docs/frameworks/{name}.md" for name in REQUIRED]
    others = [
        item
        for item in items
        if item.path.parent == ROOT / "tests" / "docs" and not any(page in item.nodeid for page in pages)
    ]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]
