import io
import threading
from dataclasses import replace

from rlm_local.cli.progress import Progress, StatusConsole
from rlm_local.events import GuardFired, Notice, SubcallsStarted
from tests.trace.samples import ended, one_run, started, subcall


class _Hands:
    """A clock turned by hand."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def __call__(self) -> float:
        return self.at_s


class _GoneStream(io.StringIO):
    """A stderr whose reader went away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


class _Watched(io.StringIO):
    """Tells when a text was written."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self.seen = threading.Event()

    def write(self, text: str) -> int:
        n = super().write(text)
        if self._text in text:
            self.seen.set()
        return n


def _plain(*, quiet: bool = False) -> tuple[Progress, io.StringIO, _Hands]:
    out, clock = io.StringIO(), _Hands()
    progress = Progress(StatusConsole(file=out, width=60), quiet=quiet, now_s=clock)
    progress.start()
    return progress, out, clock


def test_the_level_of_the_sandbox_is_told_where_it_is_known() -> None:
    for level, said in (
        ("full", ", sandbox full"),
        ("sealed", ", sandbox sealed (`rlm-local doctor` says what is missing)"),
        ("off", "mode rlm"),
    ):
        progress, out, _ = _plain()
        progress.emit(replace(started("r1"), sandbox={"policy": "auto", "level": level}))
        progress.stop()
        assert out.getvalue().rstrip().endswith(said)


def test_without_a_terminal_there_are_plain_lines_at_moments_that_matter() -> None:
    progress, out, _ = _plain()
    for event in one_run():
        progress.emit(event)
    progress.stop()

    assert out.getvalue().splitlines() == [
        "context: 40,000,000 characters, about 10,000,000 tokens; stack cpu-small, mode rlm",
        "turn 1 · 0:00 · asking the root",
        "turn 1: guard evidence: nothing was printed yet",
        "turn 1 · sub-calls 0/3, 1,060 tok/s · 0:00 · asking the worker",
        "went straight to the root",
        "history compacted: 30,000 -> 4,000 tokens",
        "answered: 1 turn, 3 sub-calls (1 from cache), 12.0 s",
    ]


def test_one_is_singular_and_none_is_plural() -> None:
    progress, out, _ = _plain()
    progress.emit(replace(ended("r1"), turns=2, subcalls=1))
    progress.emit(replace(ended("r1"), turns=1, subcalls=0))
    progress.stop()

    first, second = out.getvalue().splitlines()
    assert first.startswith("answered: 2 turns, 1 sub-call (")
    assert second.startswith("answered: 1 turn, 0 sub-calls (")


def test_a_long_batch_speaks_every_ten_seconds() -> None:
    progress, out, clock = _plain()
    progress.emit(SubcallsStarted(run_id="r1", batch=0, prompts=1000, duplicates=0))
    for n in range(25):
        clock.at_s += 1
        progress.emit(subcall(n, reply="yes"))
    progress.stop()

    lines = out.getvalue().splitlines()
    assert [line.split(", ")[0] for line in lines] == [
        "sub-calls 0/1,000",
        "sub-calls 10/1,000",
        "sub-calls 20/1,000",
    ]


def test_phases_are_told_once_each() -> None:
    progress, out, _ = _plain()
    for name, elapsed_s in (("root: loading", 1.0), ("root: loading", 2.0), ("root: ready", 35.2)):
        progress.phase(name, elapsed_s)

    assert out.getvalue().splitlines() == ["root: loading (1 s)", "root: ready (35 s)"]


def test_quiet_says_nothing_but_warnings() -> None:
    progress, out, _ = _plain(quiet=True)
    for event in one_run():
        progress.emit(event)
    progress.phase("root: loading", 1.0)
    progress.warn("the trace is incomplete")
    progress.stop()

    assert out.getvalue() == "warning: the trace is incomplete\n"


def test_on_a_terminal_a_status_line_is_drawn_and_cleared() -> None:
    out = _Watched("turn 1 · sub-calls 2/3")
    progress = Progress(StatusConsole(file=out, force_terminal=True, width=100), now_s=_Hands())
    progress.start()
    for event in one_run()[:8]:
        progress.emit(event)
    assert out.seen.wait(30)
    progress.stop()
    progress.stop()

    assert out.getvalue().endswith("\x1b[2K"), "the line is erased at the end"
    assert out.getvalue().count("\x1b[?25h") >= 1, "the cursor is shown"


def test_a_dumb_terminal_gets_plain_lines() -> None:
    out = io.StringIO()
    console = StatusConsole(file=out, force_terminal=True, width=60, _environ={"TERM": "dumb"})
    progress = Progress(console, now_s=_Hands())
    progress.start()
    progress.emit(Notice(run_id="r1", text="hello"))
    progress.stop()

    assert out.getvalue().replace("\x1b[2m", "").replace("\x1b[0m", "") == "hello\n"


def test_a_broken_stderr_ends_the_talk_not_the_run() -> None:
    for terminal in (False, True):
        progress = Progress(StatusConsole(file=_GoneStream(), force_terminal=terminal, width=60))
        progress.start()
        for event in one_run():
            progress.emit(event)
        progress.warn("x")
        progress.stop()


def test_a_closed_stderr_ends_the_talk_not_the_run() -> None:
    progress, out, _ = _plain()
    out.close()

    progress.emit(Notice(run_id="r1", text="hello"))
    progress.warn("x")
    progress.stop()


def test_control_characters_do_not_reach_the_terminal() -> None:
    evil = "\x1b]52;c;aGk=\x07\x1b[2J\rgone\u202e\udc80\nnext"
    progress, out, _ = _plain()
    progress.emit(replace(started("r1"), stack=evil))
    progress.emit(Notice(run_id="r1", text=evil))
    progress.emit(GuardFired(run_id="r1", turn=1, guard=evil, detail=evil))
    progress.phase(evil, 1.0)
    progress.warn(evil)

    assert not {"\x1b", "\x07", "\r", "\u202e", "\udc80"} & set(out.getvalue())
    assert len(out.getvalue().splitlines()) == 5, "one message is one line"
