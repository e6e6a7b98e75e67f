"""The command line: what it prints and the status it ends with."""

import json
import subprocess
import sys

import pytest

import unbroken
from unbroken.cli import main


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"unbroken {unbroken.__version__}\n")


def test_without_a_command_it_prints_its_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "demo" in capsys.readouterr().out


def test_an_unknown_client_is_refused_with_the_choice(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--client", "pulsar"])
    assert ended.value.code == 2
    assert "confluent-kafka" in capsys.readouterr().err


def test_the_help_of_the_demo_names_its_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["demo", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "(confluent-kafka)" in printed
    assert "(./unbroken-demo.html)" in printed


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "unbroken", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"unbroken {unbroken.__version__}\n"


def test_importing_the_command_line_imports_no_client_and_nothing_of_the_demo() -> None:
    program = "import unbroken.cli, json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"aiokafka", "confluent_kafka", "kafka", "jinja2", "opentelemetry.sdk", "rich", "unbroken.demo"}
    assert heavy & set(json.loads(done.stdout)) == set()


@pytest.mark.parametrize(
    "missing", ["confluent_kafka", "jinja2", "opentelemetry.exporter", "opentelemetry.sdk", "rich"]
)
def test_a_missing_package_of_the_demo_is_one_line_that_says_how_to_install_it(missing: str) -> None:
    status, errors = without(missing, ["demo"])
    assert status == 2
    assert errors.count("\n") == 1
    assert missing in errors
    assert 'pip install "unbroken[demo]"' in errors


@pytest.mark.parametrize(("client", "module"), [("aiokafka", "aiokafka"), ("kafka-python", "kafka")])
def test_a_missing_client_is_one_line_that_says_how_to_install_it(client: str, module: str) -> None:
    assert without(module, ["demo", "--client", client]) == (
        2,
        f'{client} is not installed: pip install "unbroken[{client}]"\n',
    )


def without(module: str, argv: list[str]) -> tuple[int, str]:
    """The status and errors of the command where a module, and what is in it, cannot be found."""
    program = f"""
import importlib.abc, sys
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r} or name.startswith({module + "."!r}):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
from unbroken.cli import main
sys.exit(main({argv!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    return done.returncode, done.stderr
