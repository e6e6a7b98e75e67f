"""A program that is spoken to in lines: what it says is read, and how it ends is told."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interop.program import Program, ProgramFailed

ROOT = Path(__file__).parents[2]


def program(tmp_path: Path, source: str, **environment: str) -> Program:
    return Program("talker", [sys.executable, "-c", source], environment, tmp_path / "talker.log")


def soon() -> float:
    return time.monotonic() + 30


def test_a_command_is_answered(tmp_path: Path) -> None:
    echo = "import sys\nprint('ready', flush=True)\nfor line in sys.stdin: print(line, flush=True, end='')"
    with program(tmp_path, echo) as talker:
        talker.await_ready(soon())
        assert talker.asked({"do": "ü"}) == {"do": "ü"}
        talker.end()


def test_an_answer_that_is_an_error_is_raised(tmp_path: Path) -> None:
    source = """import sys; sys.stdin.readline(); print('{"error": "no such topic"}', flush=True)"""
    with program(tmp_path, source) as talker, pytest.raises(ProgramFailed, match="no such topic"):
        talker.asked({"do": "x"})


def test_a_program_that_ends_too_early_is_named_with_its_last_words(tmp_path: Path) -> None:
    with (
        program(tmp_path, "import sys; sys.exit('no broker')") as talker,
        pytest.raises(ProgramFailed, match="talker has ended; its last words:\nno broker"),
    ):
        talker.told(soon())


def test_a_silent_program_is_not_waited_for_beyond_the_deadline(tmp_path: Path) -> None:
    with (
        program(tmp_path, "import sys; sys.stdin.read()") as talker,
        pytest.raises(ProgramFailed, match="said nothing in time"),
    ):
        talker.told(time.monotonic())


def test_a_first_line_that_is_not_ready_is_quoted(tmp_path: Path) -> None:
    with (
        program(tmp_path, "print('INFO starting', flush=True)") as talker,
        pytest.raises(ProgramFailed, match="INFO starting"),
    ):
        talker.await_ready(soon())


def test_the_status_of_a_program_that_fails_at_its_end_is_told(tmp_path: Path) -> None:
    with (
        program(tmp_path, "import sys; sys.stdin.read(); sys.exit(3)") as talker,
        pytest.raises(ProgramFailed, match="ended with status 3"),
    ):
        talker.end()


def test_settings_of_telemetry_of_the_user_do_not_reach_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    source = "import json, os\nprint(json.dumps({name: os.environ.get(name) for name in ('OTEL_TRACES_SAMPLER', 'A')}))"
    with program(tmp_path, source, A="b") as talker:
        assert talker.told(soon()) == {"OTEL_TRACES_SAMPLER": None, "A": "b"}


def test_a_program_is_gone_after_its_block(tmp_path: Path) -> None:
    source = "import json, os, time\nprint(json.dumps({'pid': os.getpid()}), flush=True)\ntime.sleep(60)"
    with program(tmp_path, source) as talker:
        pid = talker.told(soon())["pid"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_program_ends_with_its_starter_however_that_ends(tmp_path: Path) -> None:
    waits = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"
    source = (
        "import sys, time; from pathlib import Path; from interop.program import Program\n"
        f"talker = Program('talker', [sys.executable, '-c', {waits!r}], {{}}, Path('log'))\n"
        "print(talker.told(time.monotonic() + 30), flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", source], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        starter.kill()
        starter.wait(10)
        deadline = soon()
        while is_running(pid):
            assert time.monotonic() < deadline


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
