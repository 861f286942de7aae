"""Snapshots lie beside this file; to take new ones after a wanted change:
RLM_LOCAL_NEW_SNAPSHOTS=1 python -m pytest tests/engine/test_prompts.py
"""

import os
import re
from pathlib import Path

import pytest

from rlm_local.engine.prompts import Profile, RunFacts, first_message, load_profile, say
from rlm_local.errors import ConfigError
from rlm_local.registry import ProfileSpec, load_registry
from rlm_local.types import DocumentSpan
from tests.engine.scenes import profile
from tests.fakes.parts import StringContext, WordCounter

SNAPSHOTS = Path(__file__).parent / "snapshots"
TRAINED = ("rlm-final", "rlm-answer", "evidence")
"""Profiles of models that were trained as roots."""
FACTS = RunFacts(question="Which bridge opened first?", worker_chars=40_000, subcalls_left=9_990)


def _bridges() -> StringContext:
    lines = [f"Bridge {n} opened in {1800 + n}, says the register of roads." for n in range(200)]
    return StringContext("\n".join(lines), tokens=12_345)


def _rendered(shown: Profile) -> str:
    messages = (*shown.opening, first_message(_bridges(), FACTS, profile=shown))
    return "\n\n".join(f"<{message.role}>\n{message.content}" for message in messages) + "\n"


@pytest.mark.parametrize("name", ["small-coder", "coder", *TRAINED])
def test_what_a_root_is_sent_first(name: str) -> None:
    file = SNAPSHOTS / f"{name}.txt"
    rendered = _rendered(profile(name))
    if os.environ.get("RLM_LOCAL_NEW_SNAPSHOTS"):
        file.write_text(rendered, "utf-8")
    assert rendered == file.read_text("utf-8")


def test_the_first_prompt_of_a_small_root_stays_short() -> None:
    assert WordCounter().count(_rendered(profile("small-coder"))) < 1100


def test_every_profile_of_the_registry_loads() -> None:
    registry = load_registry()
    for name, spec in registry.profiles.items():
        loaded = load_profile(name, spec)
        assert loaded.opening[0].role == "system"
        assert loaded.opening[0].content
        assert bool(loaded.prefill) == (spec.style == "prefill")


def test_the_question_comes_last_so_that_the_rest_stays_cached() -> None:
    one = first_message(_bridges(), FACTS).content
    assert one.endswith("\nQuestion: Which bridge opened first?")


def test_what_is_estimated_says_about() -> None:
    assert "about 12,345 tokens" in first_message(_bridges(), FACTS).content
    counted = first_message(StringContext("word\n" * 400), FACTS).content
    assert "500 tokens" in counted
    assert "about" not in counted


def test_lines_cut_by_the_preview_are_left_out() -> None:
    text = first_message(_bridges(), FACTS).content
    for line in text.splitlines():
        assert not line.startswith("Bridge") or line.endswith("register of roads.")


def test_one_endless_line_is_shown_as_far_as_it_goes() -> None:
    text = first_message(StringContext("x" * 5000), FACTS).content
    assert "x" * 300 in text
    assert "x" * 301 not in text


def test_a_small_context_is_shown_whole() -> None:
    text = first_message(StringContext("one\ntwo\n"), FACTS).content
    assert "All of it:\none\ntwo\n" in text
    assert "and ends" not in text


def test_documents_are_counted_and_some_named() -> None:
    spans = [DocumentSpan(f"d{n}.md", n, n + 1, n, n + 1) for n in range(9)]
    text = first_message(StringContext("x\n" * 900, documents=spans), FACTS).content
    assert "9 documents (d0.md, d1.md, d2.md, d3.md, ...)" in text
    few = first_message(StringContext("x\n" * 900, documents=spans[:2]), FACTS).content
    assert "2 documents (d0.md, d1.md)" in few


def test_without_a_limit_the_root_is_told_so() -> None:
    facts = RunFacts("Q", 1000, None)
    assert "any number of prompts are left" in first_message(_bridges(), facts).content


def test_a_question_with_dollars_and_braces_stays_as_it_is() -> None:
    facts = RunFacts("What costs $5 or ${question} {x}?", 1000, 5)
    assert first_message(_bridges(), facts).content.endswith("What costs $5 or ${question} {x}?")


def test_every_guard_has_its_hint() -> None:
    for guard in ("no-code", "broken-code", "empty-cell", "repeated-cell", "blind-final",
                  "example-answer", "empty-answer", "answer-form", "endless-reply"):  # fmt: skip
        assert say(f"hint-{guard}", detail="DETAIL")


def test_a_missing_prompt_file_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no prompt file 'nowhere'; known: coder, evidence"):
        load_profile("mine", ProfileSpec(style="fence", system="nowhere"))


def test_a_profile_says_its_own_texts_and_else_those_of_all() -> None:
    trained = profile("rlm-final")
    told = trained.say("observation", output="41", question="Which $5?")
    assert told.startswith("REPL output:\n41\n")
    assert '"Which $5?"' in told
    assert trained.say("no-cell") == say("no-cell")
    assert profile("coder").say("observation", output="41", question="Q") == "Output:\n41"


KNOWN_TO = {
    "rlm-final": {"FINAL", "FINAL_VAR", "SHOW_VARS", "llm_query", "llm_query_batched"},
    "rlm-answer": {
        "SHOW_VARS", "llm_query", "llm_query_batched", "rlm_query", "rlm_query_batched", "answer",
    },
    "evidence": {"FINAL_VAR", "search", "extract_section"},
}  # fmt: skip
IN_A_REPL = {
    "FINAL", "FINAL_VAR", "SHOW_VARS", "llm_query", "llm_query_batched", "rlm_query",
    "rlm_query_batched", "answer", "search", "extract_section", "grep", "peek", "chunks", "ask",
    "ask_each", "classify", "extract", "map_reduce", "records", "fields", "documents", "look_up",
    "definitions", "callers", "judged",
}  # fmt: skip


@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_root_is_told_only_names_it_was_trained_with(name: str) -> None:
    shown = profile(name)
    messages = (*shown.opening, first_message(_bridges(), FACTS, profile=shown))
    text = "\n".join(message.content for message in messages)
    told = set(re.findall(r"`(\w+)[(`]", text)) | set(re.findall(r"\b(\w+)\(", text))
    assert "context" in told
    assert told & IN_A_REPL == KNOWN_TO[name]
    assert "```repl" in text


@pytest.mark.parametrize("name", TRAINED)
def test_a_small_context_stands_in_a_trained_roots_first_message(name: str) -> None:
    shown = profile(name)
    told = first_message(StringContext("one\ntwo\n"), FACTS, profile=shown).content
    assert "one\ntwo" in told


@pytest.mark.parametrize("file", ["coder", "turns"])
def test_a_setup_that_is_no_one_block_is_refused(file: str) -> None:
    with pytest.raises(ConfigError, match="must hold one block of Python; it holds 0"):
        load_profile("mine", ProfileSpec(style="fence", system="coder", setup=file))


def test_the_style_that_needs_tools_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`tool` is not there yet.*use `fence`"):
        load_profile("mine", ProfileSpec(style="tool", system="coder"))


def test_an_example_that_does_not_take_turns_is_refused() -> None:
    with pytest.raises(ConfigError, match="must take turns"):
        load_profile("mine", ProfileSpec(style="fence", system="coder", examples=("turns",)))
