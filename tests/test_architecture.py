"""Imports point one way, a foreign library is named in one module, and `import unbroken` is light."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"

# Each imports only what stands before it. "" is `unbroken/__init__.py`, the public names.
ORDER = [
    "mistakes",
    "errors",
    "propagation",
    "messaging",
    "",
    "clients",
    "instrumentation",
    "frameworks",
    "testing",
    "demo",
    "cli",
    "__main__",
]

# Import name of a client library -> the one module that may name it, or several that begin with this name.
CLIENTS = {
    "aio_pika": "unbroken.clients.aio_pika",
    "aiobotocore": "unbroken.clients.aiobotocore",
    "aiokafka": "unbroken.clients.aiokafka",
    "boto3": "unbroken.clients.boto3",
    "confluent_kafka": "unbroken.clients.confluent_kafka",
    "kafka": "unbroken.clients.kafka_python",
    "pika": "unbroken.clients.pika",
}


def modules() -> dict[str, Path]:
    """Every module of the source by its dotted name."""
    found = {}
    for path in (SRC / "unbroken").rglob("*.py"):
        parts = path.relative_to(SRC).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> Iterator[str]:
    """What a module imports, at its top or inside a function, as dotted names: `from a import b` is `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    """The part of `unbroken` that a dotted name is in; a public name such as `unbroken.process` is in ""."""
    part = [*name.split("."), ""][1]
    return part if part in ORDER or f"unbroken.{part}" in modules() else ""


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def is_of(module: str, home: str) -> bool:
    return is_within(module, home) or module.startswith(f"{home}_")


def all_imports() -> list[tuple[str, str]]:
    return [(module, imported) for module, path in sorted(modules().items()) for imported in imports(path)]


def test_every_module_has_a_place_in_the_order() -> None:
    assert [name for name in modules() if room(name) not in ORDER] == []


def test_imports_point_one_way() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, imported in all_imports()
        if is_within(imported, "unbroken")
        and imported != "unbroken.__version__"  # a constant above all imports; spans and metrics carry it
        and room(module) != room(imported)
        and ORDER.index(room(module)) < ORDER.index(room(imported))
    ]
    assert wrong == []


def test_a_client_library_is_named_only_in_the_module_named_after_it() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, imported in all_imports()
        for library, home in CLIENTS.items()
        if is_within(imported, library) and not is_of(module, home) and room(module) != "demo"
    ]
    assert wrong == []


def test_clients_do_not_know_each_other() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, imported in all_imports()
        for home in CLIENTS.values()
        if any(is_of(module, other) for other in CLIENTS.values() if other != home) and is_of(imported, home)
    ]
    assert wrong == []


def test_the_w3c_grammar_needs_only_the_standard_library() -> None:
    wrong = [
        imported
        for module, imported in all_imports()
        if module in ("unbroken.propagation.w3c", "unbroken.propagation.problems")
        and imported.split(".")[0] not in sys.stdlib_module_names
        and not is_within(imported, "unbroken.errors")
        and not is_within(imported, "unbroken.propagation.problems")
    ]
    assert wrong == []


@pytest.mark.parametrize("module", ["unbroken.propagation.w3c", "unbroken.propagation.carriers", "unbroken.errors"])
def test_the_core_does_not_know_opentelemetry(module: str) -> None:
    path = modules().get(module)
    assert path is None or [name for name in imports(path) if is_within(name, "opentelemetry")] == []


def test_one_module_of_propagation_knows_how_a_context_is_kept() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, imported in all_imports()
        if room(module) == "propagation" and module != "unbroken.propagation.context"
        if is_within(imported, "opentelemetry.context") and imported != "opentelemetry.context.Context"
    ]
    assert wrong == []


def test_only_propagation_knows_the_global_propagator() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, imported in all_imports()
        if room(module) not in ("propagation", "demo") and is_within(imported, "opentelemetry.propagate")
    ]
    assert wrong == []


def test_importing_unbroken_imports_no_client_and_no_sdk() -> None:
    loaded = loaded_by("import unbroken")
    heavy = [*CLIENTS, "opentelemetry.sdk", "opentelemetry.instrumentation", "pytest", "rich", "jinja2"]
    assert [name for name in heavy if name in loaded] == []


def test_importing_unbroken_imports_nothing_for_processes() -> None:
    assert "multiprocessing" not in loaded_by("import unbroken")


def test_the_services_are_not_imported_by_the_source() -> None:
    assert [f"{module} imports {name}" for module, name in all_imports() if is_within(name, "services")] == []


def test_every_public_name_exists_and_every_other_is_private() -> None:
    import unbroken

    visible = {
        name for name, value in vars(unbroken).items() if not name.startswith("_") and type(value).__name__ != "module"
    }
    assert set(getattr(unbroken, "__all__", ())) == visible


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after this statement."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    # Where the suite is measured, coverage would come first into the process, and bring modules of its own.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    answer = subprocess.run([sys.executable, "-c", program], env=plain, stdout=subprocess.PIPE, text=True, check=True)
    return set(json.loads(answer.stdout))
