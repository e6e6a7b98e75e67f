"""The vectors themselves: readable by an implementer who has nothing but their README."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.results import FILES

FOLDER = Path(__file__).parents[2] / "conformance"
VECTORS: dict[str, list[dict[str, Any]]] = {
    name: json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["vectors"] for name in FILES
}
EVERY = [pytest.param(name, vector, id=f"{name}:{vector['id']}") for name in FILES for vector in VECTORS[name]]
EXAMPLES: dict[str, dict[str, Any]] = {
    name: json.loads(block)
    for name, block in zip(
        FILES, re.findall(r"```json\n(.*?)```", (FOLDER / "README.md").read_text("utf-8"), re.DOTALL), strict=True
    )
}
OPTIONAL = {"source", "only", "ignore"}
NULLABLE = {
    *("trace_id", "span_id", "flags", "tracestate", "headers", "key", "value", "group", "client_id", "ambient"),
    *("traceparent", "span", "parent", "current", "error", "processing"),
}
PATTERNS = {
    "id": r"[A-Za-z0-9-]+",
    "about": r"[A-Z\d%a-z].+[.]",
    "source": r"w3c-suite:test_\w+",
    "trace_id": r"[0-9a-f]{32}",
    "span_id": r"[0-9a-f]{16}",
    "flags": r"[0-9a-f]{2}",
    "outcome": r"parent|root",
    "duplicates": r"last|restart",
    "correlation": r"parent|link",
    "trace": r"same as parent|new",
    "status": r"unset|error",
    "kind": r"CONSUMER|PRODUCER|CLIENT",
    "parent": r"process span",
}
SUITE = re.findall(
    r"\w+",
    """
both_traceparent_and_tracestate_missing traceparent_included_tracestate_missing traceparent_duplicated
traceparent_header_name traceparent_header_name_valid_casing traceparent_version_0x00 traceparent_version_0xcc
traceparent_version_0xff traceparent_version_illegal_characters traceparent_version_too_long
traceparent_version_too_short traceparent_trace_id_all_zero traceparent_trace_id_illegal_characters
traceparent_trace_id_too_long traceparent_trace_id_too_short traceparent_parent_id_all_zero
traceparent_parent_id_illegal_characters traceparent_parent_id_too_long traceparent_parent_id_too_short
traceparent_trace_flags_illegal_characters traceparent_trace_flags_too_long traceparent_trace_flags_too_short
traceparent_ows_handling tracestate_included_traceparent_missing tracestate_included_traceparent_included
tracestate_header_name tracestate_header_name_valid_casing tracestate_empty_header
tracestate_multiple_headers_different_keys tracestate_duplicated_keys tracestate_all_allowed_characters
tracestate_ows_handling tracestate_key_illegal_characters tracestate_key_illegal_vendor_format
tracestate_member_count_limit tracestate_key_length_limit tracestate_value_illegal_characters
multiple_requests_with_valid_traceparent multiple_requests_without_traceparent
multiple_requests_with_illegal_traceparent propagates_random_flag
""",
)


def problems(path: str, value: Any, example: Any) -> list[str]:
    """Return where a value differs in shape from the example of the README."""
    name = path.rpartition(".")[2]
    if value is None:
        return [] if name in NULLABLE else [f"{path}: null"]
    if name == "headers":
        return [f"{path}: {header}" for header in value if not is_header(header)]
    if name == "attributes":
        return [f"{path}: {key}" for key, item in value.items() if not isinstance(item, (str, int))]
    if name == "baggage" and isinstance(value, dict):
        (member, *_) = example.values()
        return [found for item in value.values() for found in problems(f"{path}[]", item, member)]
    if isinstance(value, dict) and isinstance(example, dict):
        found = [f"{path}.{key}: not in the README" for key in value.keys() - example.keys()]
        found += [f"{path}.{key}: missing" for key in example.keys() - value.keys() - OPTIONAL]
        for key in value.keys() & example.keys():
            found += problems(f"{path}.{key}", value[key], example[key])
        return found
    if isinstance(value, list) and isinstance(example, list):
        return [found for item in value for found in problems(f"{path}[]", item, example[0])]
    if isinstance(value, str) and name in PATTERNS:
        return [] if re.fullmatch(PATTERNS[name], value) else [f"{path}: {value!r}"]
    return [] if type(value) is type(example) else [f"{path}: {type(value).__name__}"]


def is_header(header: Any) -> bool:
    name, value = header
    return isinstance(name, str) and (value is None or base64.b64decode(value, validate=True) is not None)


@pytest.mark.parametrize(("file", "vector"), EVERY)
def test_a_vector_has_the_shape_that_the_readme_describes(file: str, vector: dict[str, Any]) -> None:
    assert problems(file, vector, EXAMPLES[file]) == []


@pytest.mark.parametrize("file", FILES)
def test_an_id_names_one_vector_of_its_file(file: str) -> None:
    assert [name for name, count in Counter(vector["id"] for vector in VECTORS[file]).items() if count > 1] == []


@pytest.mark.parametrize("file", FILES)
def test_no_two_vectors_show_the_same(file: str) -> None:
    assert [text for text, count in Counter(vector["about"] for vector in VECTORS[file]).items() if count > 1] == []


@pytest.mark.parametrize("file", FILES)
def test_a_file_says_which_format_it_has(file: str) -> None:
    assert json.loads((FOLDER / f"{file}.json").read_text("utf-8")).keys() == {"format", "vectors"}


def test_there_are_more_than_200_vectors() -> None:
    assert len(EVERY) > 200


def test_every_case_of_the_w3c_suite_has_a_vector() -> None:
    sources = {vector.get("source", "").removeprefix("w3c-suite:test_") for name in FILES for vector in VECTORS[name]}
    assert len(SUITE) == 41
    assert sources - {""} == set(SUITE)
