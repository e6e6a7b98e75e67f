"""What is built once is kept for each state of what it is made from, whole, and not for ever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.cache import kept

ROOT = Path(__file__).parents[1]


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "unbroken"


def test_a_build_is_kept_until_a_source_changes(cache: Path) -> None:
    builds: list[Path] = []

    def build(path: Path) -> None:
        builds.append(path)
        path.mkdir()

    first = kept("programs", [b"1"], build)
    assert kept("programs", [b"1"], build) == first
    assert len(builds) == 1
    second = kept("programs", [b"2"], build)
    assert second != first
    assert {first, second} == set(cache.glob("programs-*"))


def test_sources_are_not_the_same_when_only_their_sum_is(cache: Path) -> None:
    assert kept("programs", [b"ab", b"c"], Path.mkdir) != kept("programs", [b"a", b"bc"], Path.mkdir)


def test_a_build_that_fails_leaves_nothing_that_is_taken_for_one(cache: Path) -> None:
    def fail(path: Path) -> None:
        path.mkdir()
        raise RuntimeError("half built")

    with pytest.raises(RuntimeError, match="half built"):
        kept("programs", [b"1"], fail)
    assert [path.name for path in cache.iterdir()] == ["programs.lock"]


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch], ids=["folder", "file"])
def test_what_nobody_has_used_for_a_week_goes_with_the_next_build(make: object, cache: Path) -> None:
    assert callable(make)
    old = cache / "programs-0123456789ab"
    old.parent.mkdir(parents=True)
    make(old)
    os.utime(old, (0, 0))
    kept("programs", [b"1"], Path.mkdir)
    assert not old.exists()


def test_of_two_runs_at_once_the_second_waits_for_the_build_of_the_first(cache: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from services.cache import kept

def build(path):
    print("building", flush=True)
    sys.stdin.readline()
    path.mkdir()

kept("programs", [b"1"], build)
print("done", flush=True)
"""

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    with start() as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "building\n"
        with start() as second:
            told, _ = first.communicate("\n", timeout=60)
            assert told == "done\n"
            told, _ = second.communicate("\n", timeout=60)
            assert told == "done\n"
