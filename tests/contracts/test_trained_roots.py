"""Replies as models trained as roots write them, run to the end over the real REPL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rlm_local.config import RunConfig
from rlm_local.context.mapped_file import MappedContext, open_context
from rlm_local.context.sources import ReadOptions, TextInput
from rlm_local.engine.loop import Engine, Models
from rlm_local.events import CellStarted, GuardFired, TurnStarted
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from rlm_local.types import Answer
from tests.engine.scenes import AT_ONCE, profile
from tests.fakes.parts import CallableModel, HandClock, ListSink, ScriptedRoot, WordCounter, echo

TEXT = "".join(
    f"Page {n}. The ferry of quay {n} leaves at {n % 12} sharp! It carries {n * 3} crates.\n"
    for n in range(1, 400)
)
QUESTION = "How many crates does the ferry of quay 17 carry?"
LOOK = (
    "I will look at the context first.\n\n```repl\nprint(len(context))\nprint(context[:200])\n```\n"
)


class _Stage:
    def __init__(self, pool: ZygotePool, context: MappedContext) -> None:
        self.pool, self.context, self.sink = pool, context, ListSink()

    async def ask(self, name: str, *replies: str) -> Answer:
        engine = Engine(
            Models(ScriptedRoot(*replies, supports_prefill=False), CallableModel(echo())),
            profile=profile(name),
            config=RunConfig(mode="rlm"),
            sink=self.sink,
            clock=HandClock(),
            retries=AT_ONCE,
        )
        return await engine.run(QUESTION, self.context, self.pool)

    @property
    def told(self) -> list[str]:
        """Everything the root was told, in order."""
        turns = self.sink.of(TurnStarted)
        return [said.content for turn in turns for said in turn.new_messages if said.role == "user"]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[_Stage]:
    context = open_context(
        [TextInput("ferries", TEXT)],
        ReadOptions(),
        counter=WordCounter(),
        scratch=tmp_path,
        index_folder=tmp_path / "index",
    )
    pool = await ZygotePool.open(context, ReplFacts(20_000, 7000))
    yield _Stage(pool, context)
    await pool.aclose()
    context.close()


async def test_blocks_run_in_order_and_final_var_as_text_ends_the_run(stage: _Stage) -> None:
    answer = await stage.ask(
        "rlm-final",
        LOOK,
        "First find the line.\n```repl\nline = next(l for l in context.splitlines() "
        "if 'quay 17 ' in l)\n```\nThen the number.\n```repl\nimport re\n"
        "final_answer = re.findall(r'carries (\\d+)', line)[0]\nprint(final_answer)\n```",
        "The printed value answers it.\n\nFINAL_VAR(final_answer)",
    )
    assert (answer.text, answer.stop_reason, answer.turns) == ("51", "answered", 3)
    assert stage.sink.of(GuardFired) == []
    assert len(stage.sink.of(CellStarted)) == 4
    assert all(QUESTION in said for said in stage.told)


async def test_final_as_text_ends_the_run(stage: _Stage) -> None:
    answer = await stage.ask("rlm-final", LOOK, "It is plain now.\n\nFINAL(51 crates)")
    assert (answer.text, answer.turns) == ("51 crates", 2)


async def test_a_variable_that_does_not_exist_is_told_and_the_run_goes_on(stage: _Stage) -> None:
    answer = await stage.ask(
        "rlm-final", LOOK, "FINAL_VAR(final_answer)", "```repl\nx = 51\nprint(x)\n```\nFINAL_VAR(x)"
    )
    assert (answer.text, answer.turns) == ("51", 3)
    assert "REPL output:\n" in stage.told[-1]
    assert "FINAL_VAR('final_answer'): no such variable; make it first" in stage.told[-1]


async def test_the_dict_answer_ends_the_run_once_it_is_ready(stage: _Stage) -> None:
    answer = await stage.ask(
        "rlm-answer",
        LOOK,
        "```repl\nanswer['content'] = str(17 * 3)\nprint(answer['content'])\n```",
        "```repl\nanswer['ready'] = True\n```",
    )
    assert (answer.text, answer.stop_reason, answer.turns) == ("51", "answered", 3)
    assert stage.sink.of(GuardFired) == []


async def test_an_answer_put_into_the_dict_before_looking_is_refused(stage: _Stage) -> None:
    blind = "```repl\nanswer['content'] = '51'\nanswer['ready'] = True\n```"
    await stage.ask("rlm-answer", blind, LOOK, "FINAL(51)")
    assert [event.guard for event in stage.sink.of(GuardFired)] == ["blind-final"]


async def test_an_evidence_model_finds_its_helpers_and_gives_verbatim_passages(
    stage: _Stage,
) -> None:
    answer = await stage.ask(
        "evidence",
        '```repl\ns1 = search(context, "QUAY 17 ", window=40)\n'
        's2 = search(context, "ferry cargo at quay seventeen")\n```',
        "```repl\ne1 = search(context, s1[0], window=120, bidirectional=False)\n```",
        '```repl\np1 = extract_section(e1[0], "It carries", "crates.")\n```',
        '```repl\nevidence = [p1]\nFINAL_VAR("evidence")\n```',
    )
    assert (answer.text, answer.stop_reason) == ("It carries 51 crates.", "answered")
    assert answer.text in TEXT
    assert "--- snippet 0 ---" in stage.told[1]
    assert "no hits" not in stage.told[1], "what is not there word for word is searched for"
    assert stage.told[3].startswith("It carries 51 crates.\n")
    assert stage.sink.of(GuardFired) == []
