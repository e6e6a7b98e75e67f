"""How Sphinx builds these pages: `make docs`."""

import re

from unbroken import __version__

project = "unbroken"
release = version = __version__
copyright = "the authors of unbroken"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"unbroken {__version__}"

myst_heading_anchors = 3

default_role = "code"  # docstrings write `names` with one backquote
autodoc_member_order = "bysource"
autodoc_typehints = "signature"


def setup(app):  # type: ignore[no-untyped-def]  # Sphinx is not there where types are checked
    """Let pages link to Markdown outside of them, and let indented blocks in docstrings be code."""
    app.connect("source-read", _link_to_files)
    app.connect("autodoc-process-docstring", _mark_code)


def _link_to_files(app, page, source):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Markdown outside of these pages is a file to MyST only if it is told so; GitHub does not know how to."""
    outside = re.escape("../" * (page.count("/") + 1))
    source[0] = re.sub(rf"\]\(({outside}[\w/]+\.md)\)", r"](path:\1)", source[0])


def _mark_code(app, what, name, obj, options, lines):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """ReStructuredText wants to be told by `::` what is code; our docstrings just indent it."""
    in_code = False
    marked = []
    for number, line in enumerate(lines):
        starts = line.startswith("    ") and (number == 0 or not lines[number - 1].strip())
        if starts and not in_code and not _in_section(lines, number):
            marked += ["::", ""]
            in_code = True
        elif line.strip() and not line.startswith("    "):
            in_code = False
        marked.append(line)
    lines[:] = marked


def _in_section(lines, number):  # type: ignore[no-untyped-def]
    above = next((line for line in reversed(lines[:number]) if line.strip() and not line.startswith("    ")), "")
    return above.lstrip().startswith((":", "-", ".."))
