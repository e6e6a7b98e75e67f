"""The figures in the terminal."""

from rich.table import Table as RichTable

from bench.table import Table


def shown(part: Table) -> RichTable:
    """Return a table as rich prints it, what is missed in red."""
    rich = RichTable(*part.columns, title=part.title)
    for row in part.rows:
        rich.add_row(*row, style="red" if row[-1] == "missed" else None)
    return rich
