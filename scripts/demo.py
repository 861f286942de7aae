"""The demo behind `scripts/demo`: pull a model, gather text, ask, compare, say where time went.

The text is the source code installed on this machine by then: Python's standard library and the
packages of this environment, more than ten million tokens. The question asks for the value of a
constant that is defined in one place only; a program finds the value with `ast`, the models have
to find it in the text. Uses `rlm-local` as a person would. Exit 1 when the answer is wrong.
"""

import argparse
import ast
import json
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlm_local.config import Home
from rlm_local.errors import RlmError
from rlm_local.planner.hardware import probe
from rlm_local.planner.placement import fitting_stacks
from rlm_local.registry import Registry, load_registry

LEAST_TOKENS = 10_000_000
# Enough for ten million tokens even at 4.7 characters each, the most that was seen for Python
# code with Qwen's tokenizer; usual is 3.6 to 4.3.
LEAST_CHARS = 48_000_000
TEXT_SUFFIXES = {".py", ".md", ".txt"}
LEFT_OUT = {"__pycache__", "site-packages", "test", "tests"}
# Larger ones work too, but a demo on two cores should take minutes.
CPU_STACKS = ("cpu-small", "cpu-tiny")
RLM_LOCAL = Path(sys.executable).with_name("rlm-local")
DEFINITION = re.compile(r"^([A-Z][A-Z0-9_]{9,}) = (\d{3,9})$", re.MULTILINE)


class GaveUp(Exception):
    """The demo cannot go on; the message says what is missing."""


@dataclass(frozen=True)
class Task:
    """A question and the answer a program found."""

    question: str
    value: str
    place: str

    def is_answered_by(self, text: str) -> bool:
        """Whether the value stands in the text as a number of its own."""
        numbers = re.findall(r"\d+(?:\.\d+)?", text.replace(",", "").replace("_", ""))
        return self.value in numbers


class Stopwatch:
    """Names steps and keeps their seconds."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        say(f"{name} ...")
        started_s = time.monotonic()
        yield
        self.steps[name] = time.monotonic() - started_s


def main() -> None:
    """All steps in order."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="which constant is asked for")
    parser.add_argument("--install-s", type=float, default=0.0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    watch = Stopwatch()
    watch.steps["install"] = arguments.install_s
    with watch.step("pull and convert"):
        stack = pull_a_stack()
    with watch.step("gather the text"):
        folder = gather(Home.from_environment().root / "demo")
        task = make_task(folder, arguments.seed)
    say(f"question: {task.question}")
    answer = ask(task.question, folder, stack, watch)
    report(answer, task, watch)


def pull_a_stack() -> str:
    """Have the weights of the largest stack that this machine holds and that can be pulled."""
    for stack in stacks_that_fit(load_registry()):
        if subprocess.run([RLM_LOCAL, "pull", stack]).returncode == 0:
            return stack
        say(f"the weights of {stack} cannot be had; trying a smaller stack")
    raise GaveUp(
        "no stack of models.yaml fits this machine and can be pulled; try `rlm-local doctor`"
    )


def stacks_that_fit(registry: Registry) -> list[str]:
    """Stacks for vLLM that this machine holds, largest first; on a CPU only the small ones."""
    fitting = fitting_stacks(registry, probe())
    return [
        name
        for name in fitting
        if registry.stack(name).backend == "vllm"
        and (registry.stack(name).device == "cuda" or name in CPU_STACKS)
    ]


def gather(home: Path) -> Path:
    """Copy source files into one folder until it holds enough; a whole one is used again."""
    folder, done = home / "context", home / "context.done"
    sources = sysconfig.get_paths()
    fingerprint = f"{LEAST_CHARS} {sources['stdlib']} {sources['purelib']}"
    if done.is_file() and done.read_text(encoding="utf-8") == fingerprint:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    packages = sorted(path for path in Path(sources["purelib"]).iterdir() if path.is_dir())
    n_chars = 0
    for source in [Path(sources["stdlib"]), *packages]:
        n_chars += copy_texts(source, folder / source.name)
        if n_chars >= LEAST_CHARS:
            done.write_text(fingerprint, encoding="utf-8")
            return folder
    raise GaveUp(f"only {n_chars:,} characters of source code are installed here")


def copy_texts(source: Path, target: Path) -> int:
    """Copy the text files of a folder; returns their characters."""
    n_chars = 0
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if path.suffix not in TEXT_SUFFIXES or LEFT_OUT & set(inside.parts) or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        (target / inside).parent.mkdir(parents=True, exist_ok=True)
        (target / inside).write_text(text, encoding="utf-8")
        n_chars += len(text)
    return n_chars


def make_task(folder: Path, seed: int) -> Task:
    """Pick a module-level constant that one file defines and no other file mentions.

    Not even in other letters or as part of a longer name: there is one place to look at.
    """
    texts = {path: path.read_text(encoding="utf-8") for path in files_in(folder)}
    defined = [
        (match.group(1), path)
        for path, text in texts.items()
        if path.suffix == ".py"
        for match in DEFINITION.finditer(text)
    ]
    random.Random(seed).shuffle(defined)
    lowered = [text.lower() for text in texts.values()]
    for name, path in defined:
        if sum(name.lower() in text for text in lowered) > 1:
            continue
        assignments = constants_of(path).get(name, [])
        if len(assignments) == 1:
            value, line = assignments[0]
            question = f"What number is the constant {name} set to in this source code?"
            return Task(question, str(value), f"{path.relative_to(folder)}:{line}")
    raise GaveUp("no constant is defined in one place only")


def files_in(folder: Path) -> list[Path]:
    """Every file below a folder, in an order that does not change."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def constants_of(path: Path) -> dict[str, list[tuple[int, int]]]:
    """Module-level names set to a whole number -> (value, line) of every such assignment."""
    found: dict[str, list[tuple[int, int]]] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int(value))):
                found.setdefault(name, []).append((value, node.lineno))
    return found


def ask(question: str, folder: Path, stack: str, watch: Stopwatch) -> dict[str, Any]:
    """`rlm-local ask`, its progress shown as it comes; the time split by what its trace says."""
    command = [str(RLM_LOCAL), "ask", question, "--context", str(folder)]
    say("rlm-local ask QUESTION --context FOLDER --stack " + stack + " ...")
    started_s = time.time()
    done = subprocess.run([*command, "--stack", stack, "--json"], stdout=subprocess.PIPE, text=True)
    ended_s = time.time()
    if not done.stdout.strip():
        sys.exit(done.returncode or 1)
    answer: dict[str, Any] = json.loads(done.stdout)
    times = run_times(answer["trace"])
    watch.steps["start vLLM, open the text"] = times.get("run_started", ended_s) - started_s
    watch.steps["answer the question"] = answer["seconds"]
    watch.steps["stop everything"] = ended_s - times.get("run_ended", ended_s)
    return answer


def run_times(trace: str | None) -> dict[str, float]:
    """When the top run started and ended, from its trace."""
    if trace is None:
        return {}
    lines = Path(trace).read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    return {event["kind"]: event["time_s"] for event in events if event["depth"] == 0}


def report(answer: dict[str, Any], task: Task, watch: Stopwatch) -> None:
    """Print what came out; exit 1 when it is wrong."""
    tokens, right = answer["context"]["tokens"], task.is_answered_by(answer["answer"])
    large = tokens >= LEAST_TOKENS
    total_s = sum(watch.steps.values())
    print(f"context   {answer['context']['documents']:,} documents, {tokens:,} tokens")
    print(f"question  {task.question}")
    print(f"answer    {answer['answer']}")
    print(f"expected  {task.value}   ({task.place}, found by a program)")
    print(f"verdict   {'right' if right else 'WRONG'}")
    if not large:
        print(f"          but the context is smaller than {LEAST_TOKENS:,} tokens")
    print(f"spent     {answer['turns']} turns, {answer['subcalls']} sub-calls; {answer['trace']}")
    for name, seconds in [*watch.steps.items(), ("all", total_s)]:
        print(f"  {name:<26}{seconds:7.1f} s")
    sys.exit(0 if right and large else 1)


def say(text: str) -> None:
    """A line of progress."""
    print(f"demo: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except (GaveUp, RlmError) as error:
        say(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)
