"""What the chain left, for a person: the tree of each order's traces, and where to see them."""

import difflib
from collections.abc import Sequence
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from interop.reading import Order
from interop.spans import Placed, Span, placed

_COLOURS = {
    "storefront": "green",  # Node
    "shipping": "green",
    "pricing": "bright_blue",  # Python
    "dead-letters": "bright_blue",
    "refunds": "bright_blue",
    "archive": "bright_blue",
    "payments": "magenta",  # Java
}


def show(console: Console, orders: Sequence[Order], host: str | None = None) -> None:
    """Print one order as the stores have it: the tree once, the address in each, what differs where something does.

    In the addresses `host` stands for that of the stores.
    """
    first = orders[0]
    count = f"{len(first.traces)} trace{'' if len(first.traces) == 1 else 's'}"
    console.print()
    console.print(Text(f"Order {first.name}: {count}", "bold green" if len(first.traces) == 1 else "bold red"))
    for trace in first.traces:
        console.print(tree(trace, first.known))
    for order in orders:
        mark = Text("✓ ", "green") if order.is_as_expected else Text("✗ ", "red")
        for trace in order.traces:
            if trace:
                page = _seen_from(order.store.page(trace[0].trace_id), host)
                console.print(Text.assemble(mark, f"{order.store.name:7}", (page, "dim")), soft_wrap=True)
        if not order.is_as_expected:
            console.print(Text(difference(order), "red"), soft_wrap=True)


def difference(order: Order) -> str:
    """Return what is there and what was expected, as a difference in lines."""
    expected, found = ("\n\n".join(shapes).splitlines() for shapes in (order.expected, order.shapes))
    return "\n".join(difflib.unified_diff(expected, found, "expected", order.store.name, lineterm=""))


def tree(trace: Sequence[Span], known: Sequence[Span]) -> Tree:
    """Return one trace as a tree."""
    trace_id = trace[0].trace_id if trace else "(nothing)"
    root = Tree(Text(f"trace {trace_id}", "dim"))
    path = [root]
    for each in placed(trace, known):
        del path[each.depth + 1 :]
        path.append(path[each.depth].add(_line(each)))
    return root


def _seen_from(page: str, host: str | None) -> str:
    address = urlsplit(page)
    return page if host is None else address._replace(netloc=f"{host}:{address.port}").geturl()


def _line(each: Placed) -> Text:
    span = each.span
    others = [name for name in each.linked if name != each.parent]
    return Text.assemble(
        (f"{span.name}  ", "bold"),
        (span.service, _COLOURS.get(span.service, "white")),
        f"  {(span.end - span.start) / 1e6:.1f} ms",
        ("  failed" if span.is_failed else "", "bright_yellow"),
        (f"  links {', '.join(others)}" if others else "", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )
