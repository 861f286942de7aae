import io
from dataclasses import replace

from rich.console import Console

from rlm_local.events import CellRan, CellStarted, Event, GuardFired, Notice, RootReplied
from rlm_local.trace.viewer import show
from rlm_local.types import Usage
from tests.trace.samples import ended, one_run, started


def _shown(events: list[Event], *, full: bool = False, terminal: bool = False) -> str:
    out = io.StringIO()
    show(events, Console(file=out, width=120, force_terminal=terminal), full=full)
    return out.getvalue()


def _cell(stdout: str = "", error: str | None = None) -> CellRan:
    return CellRan(
        run_id="r1", turn=1, stdout=stdout, stdout_chars=len(stdout), result=None, error=error,
        final=None, seconds=0.1, host_wait_s=0.0, interrupted=False, restarted=False,
    )  # fmt: skip


def test_a_run_is_shown_from_header_to_totals() -> None:
    shown = _shown(one_run())

    for expected in (
        "Which bridge?",
        "40,000,000 characters, about 10,000,000 tokens, 600,000 lines, 3 documents",
        "cpu-small",
        "root sha256:1234",
        "turn 1",
        "guard evidence: nothing was printed yet",
        "hits = grep('bridge')",
        "batch 0: 3 sub-calls, 1 from cache, 1 failed, 300 tokens in (96 cached, 32%), 9 out, "
        "3.0 s",
        "1 x timed out after 60 s",
        "FINAL: The old one",
        "cell: 3.50 s, 3.0 s of it for sub-calls",
        "history compacted: 30,000 -> 4,000 tokens",
        "answered after 1 turn, 3 sub-calls (1 from cache), 12.0 s",
    ):
        assert expected in shown
    assert "max_tokens" not in shown, "a limit that is not set is not shown"


def test_how_cells_were_confined_is_told_in_a_line_and_in_full_by_property() -> None:
    record = {
        "policy": "auto",
        "level": "standard",
        "files": "active: by private root",
        "second_layer": "degraded: one layer alone keeps files away (Landlock: ENOSYS)",
        "layer.landlock": "degraded: ENOSYS",
    }
    events: list[Event] = [replace(started("r1"), sandbox=record), ended("r1")]
    told = "sandbox  standard (policy auto), degraded: second_layer"
    assert told in [line.rstrip() for line in _shown(events).splitlines()]
    assert "by private root" not in _shown(events)
    assert "files: active: by private root" in _shown(events, full=True)


def test_a_run_without_a_sandbox_cannot_be_overlooked() -> None:
    record = {"policy": "off", "level": "off", "files": "off"}
    shown = _shown([replace(started("r1"), sandbox=record), ended("r1")])
    assert "sandbox  OFF: code the model wrote ran as the user, unconfined" in shown


def test_child_runs_are_indented() -> None:
    lines = _shown(one_run()).splitlines()

    assert "    Which opened first?" in [line.rstrip() for line in lines]


def test_prompts_and_prose_are_shown_only_in_full() -> None:
    assert "You write code." not in _shown(one_run())
    assert "Let me look." not in _shown(one_run())

    full = _shown(one_run(), full=True)
    assert "You write code." in full
    assert "Let me look." in full
    assert "Is line 1 about a bridge?" in full


def test_a_reply_without_a_cell_is_shown() -> None:
    reply = RootReplied(
        run_id="r1", turn=1, attempt=1, reply="I think so.", finish_reason="length",
        usage=Usage(), seconds=1.0,
    )  # fmt: skip

    shown = _shown([started("r1"), reply, ended("r1")])

    assert "I think so." in shown
    assert "cut at its length limit" in shown


def test_long_output_is_cut_in_the_middle_with_the_true_gap() -> None:
    events: list[Event] = [started("r1"), _cell("a" * 3000 + "MIDDLE" + "b" * 3000), ended("r1")]

    assert "2,006 characters left out" in _shown(events)
    assert "MIDDLE" not in _shown(events)
    assert "MIDDLE" in _shown(events, full=True)


def test_a_run_without_an_end_says_so() -> None:
    assert "run r1 did not end" in _shown(one_run()[:5])


def test_nothing_a_model_or_a_text_wrote_reaches_the_terminal_raw() -> None:
    evil = "\x1b]52;c;aGk=\x07\x1b[2J\rgone\u202e\udc80 [bold]x[/bold] [/]"
    events: list[Event] = [
        started("r1", question=evil),
        RootReplied(
            run_id="r1",
            turn=1,
            attempt=1,
            reply=evil,
            finish_reason="stop",
            usage=Usage(),
            seconds=1.0,
        ),
        GuardFired(run_id="r1", turn=1, guard=evil, detail=evil),
        CellStarted(run_id="r1", turn=1, code=evil),
        _cell(evil, error=evil),
        Notice(run_id="r1", text=evil),
        ended("r1", answer=evil),
    ]

    plain = _shown(events, full=True)
    assert not {"\x1b", "\x07", "\r", "\u202e", "\udc80"} & set(plain)
    assert "[bold]x[/bold] [/]" in plain, "markup of ours is not read out of their text"

    coloured = _shown(events, full=True, terminal=True)
    assert "\x1b]52" not in coloured
    assert "\x1b[2J" not in coloured
