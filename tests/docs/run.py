"""`python -m tests.docs.run PAGE` runs the code of a page in its order and compares what it prints.

A block of `output` says what the Python block before it prints; `...` stands for anything. `await` is allowed.
"""

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import os
import sys
import traceback
from pathlib import Path

from tests.docs.pages import Block, blocks, name

_CHECKER = doctest.OutputChecker()
_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Page:
    """The names and the event loop that the blocks of one page share."""

    def __init__(self, page: Path) -> None:
        self._page = page
        self._names: dict[str, object] = {"__name__": "__main__"}
        self._loop = asyncio.new_event_loop()

    def printed(self, block: Block) -> str:
        """Run one block and return what it prints."""
        source = "\n" * block.line + block.text  # so that a traceback names the line of the page
        code = compile(source, name(self._page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(io.StringIO()) as output:
            if code.co_flags & inspect.CO_COROUTINE:
                self._loop.run_until_complete(eval(code, self._names))
            else:
                exec(code, self._names)
        return output.getvalue()


def main(argv: list[str]) -> int:
    """Return 1 at the first block that raises or prints something else than its output."""
    path = Path(argv[0]).resolve()
    page, printed = Page(path), ""
    for block in blocks(path):
        if block.language in ("python", "setup"):
            try:
                printed = page.printed(block)
            except Exception:  # noqa: BLE001 - shown to who runs the tests
                traceback.print_exc()
                return 1
        elif block.language == "output" and not _CHECKER.check_output(block.text, printed, _OPTIONS):
            sys.stderr.write(f"{name(path)}:{block.line}\n--- expected\n{block.text}--- printed\n{printed}")
            return 1
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # clients left open by a page would be waited for
