import json
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.events import EVENT_KINDS, Event
from rlm_local.trace.records import (
    RecordError,
    UnknownKind,
    decode_event,
    encode_event,
    event_json,
)
from tests.trace.samples import one_run
from tests.unhurried import UNHURRIED

# Every code point, lone surrogates too; a high one directly before a low one is one character
# in JSON, so only low ones are drawn.
_TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.characters(min_codepoint=0xDC00, max_codepoint=0xDFFF, categories=["Cs"]),
        st.characters(max_codepoint=0x9F),
    ),
    max_size=20,
)


def _values(hint: object) -> st.SearchStrategy[Any]:
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return _records(hint)
    if origin in (Union, UnionType):
        return st.one_of([_values(member) for member in args])
    if origin is tuple:
        return st.lists(_values(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(_TEXTS, _values(args[1]), max_size=3)
    if origin is Literal:
        return st.sampled_from(args)
    scalars: dict[object, st.SearchStrategy[Any]] = {
        str: _TEXTS,
        int: st.integers(),
        float: st.floats(allow_nan=False),
        bool: st.booleans(),
        NoneType: st.none(),
    }
    return scalars[hint]


def _records(record: type) -> st.SearchStrategy[Any]:
    hints = get_type_hints(record)
    names = [field.name for field in fields(record)]
    return st.builds(record, **{name: _values(hints[name]) for name in names})


@UNHURRIED
@given(st.one_of([_records(record) for record in EVENT_KINDS.values()]))
def test_every_kind_comes_back_as_it_was_written(event: Event) -> None:
    line = encode_event(event)

    assert line.isascii()
    assert line.count(b"\n") == 1
    assert line.startswith(b'{"kind":"' + event.kind.encode() + b'"')
    assert decode_event(line) == event


@UNHURRIED
@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_a_complaint(line: bytes) -> None:
    with pytest.raises((RecordError, UnknownKind)):
        decode_event(line)


@UNHURRIED
@given(st.sampled_from(one_run()), st.data())
def test_a_field_of_another_type_is_named(event: Event, data: st.DataObject) -> None:
    record = json.loads(encode_event(event))
    name = data.draw(st.sampled_from([key for key in record if key != "kind"]))
    record[name] = [[]]

    with pytest.raises(RecordError, match=name):
        decode_event(json.dumps(record))


def test_a_missing_field_is_named() -> None:
    with pytest.raises(RecordError, match="missing run_id"):
        decode_event('{"kind": "notice", "text": "x"}')


def test_a_nested_missing_field_is_named_with_its_place() -> None:
    record = json.loads(encode_event(one_run()[0]))
    del record["context"]["tokens"]["exact"]

    with pytest.raises(RecordError, match=r"missing context\.tokens\.exact"):
        decode_event(json.dumps(record))


def test_fields_of_a_newer_version_are_left_out() -> None:
    event = one_run()[0]
    record = {**event_json(event), "mood": "calm"}

    assert decode_event(json.dumps(record)) == event


def test_a_kind_of_a_newer_version_is_told_apart_from_garbage() -> None:
    with pytest.raises(UnknownKind, match="dreamt"):
        decode_event('{"kind": "dreamt", "run_id": "r1"}')


def test_true_is_not_an_integer() -> None:
    record = {**event_json(one_run()[3]), "turn": True}

    with pytest.raises(RecordError, match="turn: expected an integer, found bool"):
        decode_event(json.dumps(record))


def test_deep_nesting_is_a_complaint_not_a_crash() -> None:
    with pytest.raises(RecordError):
        decode_event("[" * 200_000)
