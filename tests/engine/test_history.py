from rlm_local.engine.history import History
from rlm_local.types import Message
from tests.engine.scenes import profile
from tests.fakes.parts import WordCounter


def _history(name: str = "small-coder", *, prefill: bool = True) -> History:
    return History(profile(name), Message("user", "Question: Q"), WordCounter(), prefill=prefill)


def test_the_opening_is_the_profiles_and_the_first_message() -> None:
    history = _history()
    assert history.messages == (*profile("small-coder").opening, Message("user", "Question: Q"))
    assert history.messages[0].role == "system"


def test_a_run_may_have_an_opening_of_its_own() -> None:
    first, before = Message("user", "Question: Q"), (Message("system", "S"),)
    history = History(profile("small-coder"), first, WordCounter(), prefill=True, before=before)
    assert history.messages == (*before, first)


def test_a_hint_stands_in_one_request_only() -> None:
    history = _history("coder", prefill=True)
    hinted = history.request(hint="look first")
    assert hinted[:-1] == history.messages[:-1]
    assert hinted[-1].content.startswith("Question: Q")
    assert "look first" in hinted[-1].content
    assert "look first" not in str(history.messages)


def test_a_prefilled_reply_is_closed_and_cut_behind_its_cell() -> None:
    history = _history()
    assert history.whole_reply("x = 1") == "```python\nx = 1\n```"
    assert history.whole_reply("x = 1\n") == "```python\nx = 1\n```"
    assert history.whole_reply("x = 1\n```\nOutput: 1") == "```python\nx = 1\n```"


def test_a_reply_in_another_style_stays_as_it_is() -> None:
    assert _history("coder").whole_reply("say\n```repl\nx") == "say\n```repl\nx"


def test_tokens_grow_with_each_turn_and_follow_the_server() -> None:
    history = _history()
    before = history.tokens
    history.add("a" * 40, "b" * 40, code="a")
    assert history.tokens == before + 30
    history.learn_true_tokens(history.tokens + 100)
    assert history.tokens == before + 130
    history.learn_true_tokens(5)
    assert history.tokens < before + 130


def _filled(turns: int) -> History:
    history = _history()
    for number in range(turns):
        code = f"v{number} = {number}"
        history.add(f"```python\n{code}\n```", f"Output:\n{number} " + "x" * 400, code=code)
    history.n_written = len(history.messages)
    return history


def test_nothing_is_compacted_while_there_is_room() -> None:
    history = _filled(5)
    assert history.compact(history.tokens) is None
    assert _history().compact(0) is None


def test_compaction_keeps_the_opening_and_the_last_turns() -> None:
    history = _filled(8)
    messages, before = history.messages, history.tokens
    opening = len(profile("small-coder").opening) + 1
    done = history.compact(before - 10)
    assert done is not None
    assert (done.tokens_before, done.tokens_after) == (before, history.tokens)
    assert history.tokens < before
    assert history.messages[:opening] == messages[:opening]
    assert history.messages[-4:] == messages[-4:]
    summary = history.messages[opening + 1].content
    assert "v0, v1, v2, v3, v4, v5" in summary
    assert "v6" not in summary
    assert history.messages[opening].content == "```python\nSHOW_VARS()\n```"
    assert history.n_written == opening
    assert [m.role for m in history.messages[opening:]] == ["assistant", "user"] * 3


def test_compaction_gives_up_last_turns_where_they_do_not_fit() -> None:
    history = _history()
    history.add("```python\na = 1\n```", "x" * 20_000, code="a = 1")
    history.add("```python\nb = 2\n```", "x" * 20_000, code="b = 2")
    done = history.compact(2000)
    assert done is not None
    assert done.tokens_after <= 2000
    assert "a, b" in history.messages[-1].content


def test_a_summary_survives_the_next_compaction() -> None:
    history = _filled(6)
    history.compact(history.tokens - 10)
    for number in range(6, 10):
        history.add("```python\nw = 1\n```", "x" * 400, code=f"w{number} = 1")
    history.compact(history.tokens - 10)
    assert "v0" in str(history.messages)


def test_a_fence_profile_is_summarised_in_its_own_style() -> None:
    history = _history("coder")
    history.add("```repl\na = 1\n```", "x" * 9000, code="a = 1")
    history.compact(600)
    assert "```repl\nSHOW_VARS()" in history.messages[-2].content


def test_many_variables_and_turns_still_make_a_short_summary() -> None:
    history = _filled(60)
    done = history.compact(3000)
    assert done is not None
    assert done.tokens_after < 3000
