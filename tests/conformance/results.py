"""What the vectors came to in each language: `python -m tests.conformance.results --update` commits the last runs.

The runs leave one file each; conformance/results.json holds them together, and docs/conformance.md shows that.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "conformance" / "results.json"
FILES = ("extract", "inject", "process", "send", "forward")
FOUND = {
    "python": ROOT / "build" / "conformance" / "python.json",
    "java": ROOT / "java" / "unbroken-kafka" / "target" / "conformance.json",
    "node": ROOT / "node" / "build" / "conformance.json",
}
"""Where the last run of each language left its results: by file and vector `ok`, or `differs: ` and the reason."""


def found() -> dict[str, Any]:
    """Return the results of the languages that were run here, in the order of the vectors."""
    results = {language: json.loads(path.read_text("utf-8")) for language, path in FOUND.items() if path.exists()}
    return {
        language: {
            file: {vector: told.get(file, {}).get(vector, "differs: not run") for vector in vectors(file)}
            for file in FILES
        }
        for language, told in results.items()
    }


def vectors(file: str) -> list[str]:
    """Return the ids of the vectors of a file, in its order."""
    return [
        vector["id"] for vector in json.loads((ROOT / "conformance" / f"{file}.json").read_text("utf-8"))["vectors"]
    ]


def committed() -> dict[str, Any]:
    """Return the results that the documentation shows, by language."""
    results: dict[str, Any] = json.loads(COMMITTED.read_text("utf-8"))
    return results


def differences() -> list[str]:
    """Return where the last runs and the committed results differ, a line each."""
    known = committed()
    return [
        f"{language} {file} {vector}: {result}, and conformance/results.json has {shown}"
        for language, files in found().items()
        for file, results in files.items()
        for vector, result in results.items()
        if (shown := known.get(language, {}).get(file, {}).get(vector, "nothing")) != result
    ]


def update() -> None:
    """Write the results of the last runs over the committed ones."""
    known = committed() if COMMITTED.exists() else {}
    COMMITTED.write_text(json.dumps({**known, **found()}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        update()
    print("\n".join(differences()) or "the last runs are the committed ones")
    sys.exit(bool(differences()))
