"""Snapshots lie beside this file; to take new ones after a wanted change:
RLM_LOCAL_NEW_SNAPSHOTS=1 python -m pytest tests/engine/test_opening.py
"""

import os
from pathlib import Path

import pytest

from rlm_local.engine.look import Look
from rlm_local.engine.opening import make_opening
from rlm_local.engine.prompts import RunFacts
from tests.engine.scenes import profile
from tests.fakes.parts import StringContext, WordCounter

SNAPSHOTS = Path(__file__).parent / "snapshots"
RECORDS = Look(
    "records",
    told="It is made of 400 records, lines such as:\n2022-07-01 | 40117 | the bolt is loose\n"
    "- records: list of dicts with the keys 'date', 'user', 'text' and 'label' (one of LABELS)",
    fields=("date", "user", "text", "label"),
    labels=("bolt", "nut", "washer"),
    n=400,
)
FOUND = Look(
    "documents",
    n=40,
    passages="[a.txt] The gate is by Hald.\nReading: Hald",
)
SCENES = {
    "records": (RECORDS, "Which label is the most common among the lines of user 40117?"),
    "found": (FOUND, "Who designed the gate?"),
    "lookup": (Look("documents", n=40), "Who designed the gate?"),
    "code": (Look("code", n=12), "Which function calls `open_gate`?"),
}


def _context() -> StringContext:
    lines = [f"Bridge {n} opened in {1800 + n}, says the register of roads." for n in range(200)]
    return StringContext("\n".join(lines), tokens=12_345)


def _facts(question: str) -> RunFacts:
    return RunFacts(question=question, worker_chars=40_000, subcalls_left=9_990)


@pytest.mark.parametrize("name", SCENES)
def test_what_a_root_is_sent_after_a_look(name: str) -> None:
    look, question = SCENES[name]
    opening = make_opening(profile("small-coder"), _context(), _facts(question), look)
    messages = (*opening.before, opening.first)
    rendered = "\n\n".join(f"<{message.role}>\n{message.content}" for message in messages) + "\n"
    file = SNAPSHOTS / f"small-coder-{name}.txt"
    if os.environ.get("RLM_LOCAL_NEW_SNAPSHOTS"):
        file.write_text(rendered, "utf-8")
    assert rendered == file.read_text("utf-8")
    assert WordCounter().count(rendered) < 1250


def test_without_a_look_all_is_as_the_profile_has_it() -> None:
    shown = profile("small-coder")
    opening = make_opening(shown, _context(), _facts("Who designed the gate?"))
    assert opening.before == shown.opening
    assert opening.told == opening.first.content
    assert opening.examples == shown.example_text
    assert opening.picked is None


def test_questions_of_one_kind_over_one_text_share_all_but_their_own_words() -> None:
    firsts = [
        make_opening(profile("small-coder"), _context(), _facts(question), RECORDS).first.content
        for question in (
            "Which label is the most common among the lines of user 40117?",
            "Which label is the least common among the lines of user 18204?",
        )
    ]
    shared = next(n for n, (a, b) in enumerate(zip(*firsts, strict=False)) if a != b)
    assert shared > len(firsts[0]) - 70
    assert firsts[0].endswith(
        "\nQuestion: Which label is the most common among the lines of user 40117?"
    )


def test_the_text_comes_before_the_examples_and_what_was_found_behind_them() -> None:
    text = make_opening(
        profile("small-coder"), _context(), _facts("Who designed the gate?"), FOUND
    ).first.content
    order = ["Bridge 0", "Example, same kind:", "The gate is by Hald.", "Question: Who designed"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_examples_are_no_part_of_what_was_told() -> None:
    opening = make_opening(
        profile("small-coder"), _context(), _facts("Who designed the gate?"), FOUND
    )
    assert "The gate is by Hald." in opening.told
    assert "Example" not in opening.told
    assert opening.examples.startswith("Example, same kind:")
    assert opening.examples in opening.first.content


def test_examples_of_looking_stand_as_earlier_turns_only_where_looking_comes_first() -> None:
    shown = profile("small-coder")
    looking = make_opening(shown, _context(), _facts("Who designed the gate?"), Look("documents"))
    assert looking.before == shown.opening
    counting = make_opening(shown, _context(), _facts("How many are bolts?"), RECORDS)
    assert [message.role for message in counting.before] == ["system"]
