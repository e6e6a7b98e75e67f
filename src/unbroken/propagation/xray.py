"""The X-Ray trace header, parsed: what AWS services write beside a message as `AWSTraceHeader`.

https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
Standard library only. There is no writer: the context that we send is W3C.
"""

from __future__ import annotations

import re

from unbroken.errors import InvalidHeader
from unbroken.propagation.w3c import SAMPLED, TraceParent

FIELD = "AWSTraceHeader"
"""The name of the system attribute, and of the field in an `InvalidHeader`."""

MAX_LENGTH = 1024
"""Characters that are looked at; a header with all that is documented has less than 300."""

#   header  = field *( ";" field )          in any order; other fields (Self, Lineage, user data) are passed over
#   root    = "Root=1-" 8HEXDIG "-" 24HEXDIG      the time in seconds and the rest of the trace id
#   parent  = "Parent=" 16HEXDIG                  absent where the service began the trace without a segment
#   sampled = "Sampled=" ( "1" / "0" / "?" )      absent: not decided
_ROOT = re.compile(r"1-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})")
_PARENT = re.compile(r"[0-9a-fA-F]{16}")


def parse_trace_header(value: object) -> TraceParent | None:
    """Return the parent that a trace header names, None when it names a trace without a parent in it.

    >>> found = parse_trace_header("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
    >>> f"{found.trace_id:x}-{found.parent_id:x}-{found.flags}"
    '5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-1'

    Raises:
        InvalidHeader: the value breaks the grammar.
    """
    if not isinstance(value, str):
        raise InvalidHeader(FIELD, value, "not text")
    if len(value) > MAX_LENGTH:
        raise InvalidHeader(FIELD, value, f"more than {MAX_LENGTH} characters")
    fields: dict[str, str] = {}
    for text in value.split(";"):
        name, _, content = text.strip(" ").partition("=")
        fields.setdefault(name, content)
    root = _ROOT.fullmatch(fields.get("Root", ""))
    if root is None:
        raise InvalidHeader(FIELD, value, "no Root=1-<8 digits>-<24 digits> in hexadecimal")
    if "Parent" not in fields:
        return None
    if _PARENT.fullmatch(fields["Parent"]) is None:
        raise InvalidHeader(FIELD, value, "Parent is not 16 digits in hexadecimal")
    flags = SAMPLED if fields.get("Sampled") == "1" else 0
    parent = TraceParent(int(root[1] + root[2], 16), int(fields["Parent"], 16), flags)
    if not parent.trace_id or not parent.parent_id:
        raise InvalidHeader(FIELD, value, "an id is all zeroes")
    return parent
