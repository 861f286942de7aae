"""`rlm-local bench`: try your own models: a worker's labels, a root's profile.

Results go to stdout, progress to stderr. Benchmarks with public data are in the repository.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rlm_local.errors import ConfigError, UserError

if TYPE_CHECKING:
    from rlm_local.bench.profile_trial import Trial
    from rlm_local.bench.target import Target
    from rlm_local.bench.worker_trial import SizeResult
    from rlm_local.registry import ProfileSpec
    from rlm_local.session.settings import Settings
    from rlm_local.types import ReplyStyle

__all__ = ["bench"]

Command = TypeVar("Command", bound=Callable[..., Any])

_STYLES: tuple["ReplyStyle", ...] = ("prefill", "fence", "json", "tool")
_TRIED = ("prefill", "fence", "json")
"""`tool` only where it is asked for: the engine reads tool calls, and offers models no tools."""

_MISTAKES = 5
_PLAIN_COLUMNS = 160
_DEFAULT_BASE = "coder"


def _target_options(command: Command) -> Command:
    options = (
        click.option("--base-url", metavar="URL", help="An endpoint instead of a stack."),
        click.option("--api-key", envvar="RLM_LOCAL_API_KEY", help="Its key."),
        click.option("--quiet", "-q", is_flag=True, help="No progress."),
        click.option("--seed", type=int, default=0, show_default=True, help="Of what is asked."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def bench() -> None:
    """Try your own models: how well a worker labels, how a root is best prompted."""


@bench.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--stack", default="auto", show_default=True, help="Entry of models.yaml.")
@click.option("--worker", help="Name of the worker model at --base-url.")
@click.option("--lines", type=click.IntRange(min=2), default=48, show_default=True)
@click.option("--sizes", default="1,5,10", show_default=True, help="Lines in one sub-call.")
@click.option("--instruction", default="Which label fits the text best?", show_default=True)
@_target_options
def worker(
    file: Path | None,
    *,
    lines: int,
    sizes: str,
    instruction: str,
    seed: int,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Label the lines of FILE (label, tab, text; JSON lines; CSV) or of a built-in sample."""
    from rlm_local.bench.labelled_lines import pick, read_lines, sample_lines
    from rlm_local.bench.worker_trial import try_worker
    from rlm_local.cli.progress import open_progress

    counts = _sizes(sizes)
    chosen = pick(read_lines(file) if file else sample_lines(), lines, seed=seed)
    target = _target(options, root=options["worker"], stack=options["stack"])
    with open_progress(quiet=options["quiet"]) as progress:
        results = [
            try_worker(
                target,
                chosen,
                size=size,
                instruction=instruction,
                settings=_settings(),
                progress=progress,
            )
            for size in counts
        ]
    if as_json:
        click.echo(json.dumps([_size_as_json(one) for one in results]))
    else:
        _print_sizes(results)


@bench.command()
@click.argument("model")
@click.option("--stack", help="Entry of models.yaml; default: one whose root is MODEL.")
@click.option("--worker", help="Name of the worker model at --base-url; default: MODEL.")
@click.option("--tasks", "n_tasks", type=click.IntRange(min=1), default=6, show_default=True)
@click.option("--at-once", type=click.IntRange(min=1), default=6, show_default=True)
@click.option("--style", "styles", multiple=True, type=click.Choice(_STYLES), help="Only these.")
@click.option(
    "--base", "bases", multiple=True, metavar="PROFILE", help="Its texts; default: the model's own."
)
@click.option("--look/--no-look", default=None, help="Only with, or only without a first look.")
@_target_options
def profile(
    model: str,
    *,
    n_tasks: int,
    at_once: int,
    styles: tuple[str, ...],
    bases: tuple[str, ...],
    look: bool | None,
    seed: int,
    **options: Any,  # noqa: ANN401
) -> None:
    """Try MODEL as root in each reply style, and recommend a profile for models.yaml."""
    from rlm_local.bench.profile_trial import as_yaml, candidates, recommended, try_candidate
    from rlm_local.bench.small_tasks import small_tasks
    from rlm_local.cli.progress import open_progress

    specs = _bases(model, bases)
    looks = (False, True) if look is None else (look,)
    found = candidates(specs, [style for style in _STYLES if style in (styles or _TRIED)], looks)
    stack = options["stack"] or _stack_of(model, is_needed=options["base_url"] is None)
    if options["base_url"] is None:
        _check_root(stack, model)
    target = _target(options, root=model, stack=stack)
    tasks = small_tasks(n_tasks, seed=seed)
    trials = []
    with open_progress(quiet=options["quiet"]) as progress:
        for candidate in found:
            trial = try_candidate(
                target,
                candidate,
                tasks,
                at_once=at_once,
                settings=_settings(),
                progress=progress,
            )
            trials.append(trial)
            if not options["quiet"]:
                right = f"{trial.n_right} of {len(tasks)} right"
                click.echo(f"{candidate.name}: {right}, {trial.seconds:.0f} s", err=True)
    best = recommended(trials)
    if options["as_json"]:
        told = [_trial_as_json(one) for one in trials]
        click.echo(json.dumps({"trials": told, "recommended": best.candidate.name}))
        return
    _print_trials(trials)
    click.echo(f"Recommended: {best.candidate.name}. For models.yaml:\n\n{as_yaml(best, model)}")


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = [0]
    if min(sizes) < 1:
        raise UserError(f"--sizes {text}: write numbers above zero, such as 1,5,10")
    return sizes


def _target(options: dict[str, Any], *, root: str | None, stack: str) -> "Target":
    from rlm_local.bench.target import Target

    if options["base_url"] is None:
        if options.get("worker"):
            raise UserError("--worker names a model at --base-url; a stack has a worker of its own")
        return Target(stack)
    if root is None:
        raise UserError("--base-url needs --worker NAME, the model to ask there")
    worker = options["worker"] or root
    return Target(stack, options["base_url"], root, worker, options["api_key"])


def _settings() -> "Settings":
    from rlm_local.session.results import CacheSettings
    from rlm_local.session.settings import Settings

    return Settings(seed=0, cache=CacheSettings("off"))  # a trial measures models, not a file


def _bases(model: str, names: Sequence[str]) -> "list[tuple[str, ProfileSpec]]":
    from rlm_local.registry import load_registry

    registry = load_registry()
    spec = registry.models.get(model)
    own = spec.root.profile if spec else _DEFAULT_BASE
    return [(name, registry.profile(name)) for name in names or (own,)]


def _stack_of(model: str, *, is_needed: bool) -> str:
    from rlm_local.registry import load_registry

    stacks = load_registry().stacks
    for name, stack in stacks.items():
        if stack.root == model and stack.backend == "vllm":
            return name
    if is_needed:
        raise ConfigError(
            f"no stack of models.yaml has the root {model!r}; name one with --stack, or an "
            "endpoint that serves it with --base-url"
        )
    return "auto"


def _check_root(stack: str, model: str) -> None:
    from rlm_local.registry import load_registry

    known = load_registry().stacks.get(stack)
    if known is not None and known.root != model:
        raise UserError(
            f"--stack {stack} has the root {known.root!r}, not {model!r}; name a stack of that "
            "model, or an endpoint that serves it with --base-url"
        )


def _print_sizes(results: "Sequence[SizeResult]") -> None:
    from rlm_local.trace.printable import printable

    labels = list(results[0].by_label())
    rows = [
        [
            str(one.size),
            f"{one.right} of {len(one.given)}",
            *(f"{right} of {total}" for right, total in one.by_label().values()),
            str(one.failed),
            str(one.subcalls),
            f"{len(one.given) / one.seconds:.1f}" if one.seconds else "-",
        ]
        for one in results
    ]
    _table(["lines a call", "right", *labels, "failed", "sub-calls", "lines/s"], rows)
    for one in results:
        for true, said, n in one.mistaken()[:_MISTAKES]:
            click.echo(printable(f"{one.size} a call: {true} taken for {said or 'nothing'}: {n}"))


def _print_trials(trials: "Sequence[Trial]") -> None:
    from rlm_local.trace.printable import printable

    rows = [
        [
            one.candidate.name,
            f"{one.n_right} of {len(one.right)}",
            str(one.forced),
            str(len(one.failures)),
            f"{one.turns:.1f}",
            f"{one.tokens:,}",
            f"{one.seconds:.0f}",
        ]
        for one in trials
    ]
    _table(["profile", "right", "forced", "failed", "turns", "tokens", "seconds"], rows)
    for failure in dict.fromkeys(text for one in trials for text in one.failures):
        click.echo(printable(f"failed: {failure[:200]}"))


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from rlm_local.trace.printable import printable

    table = Table(*map(printable, names))
    for row in rows:
        table.add_row(*map(printable, row))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=_PLAIN_COLUMNS)
    console.print(table)


def _size_as_json(one: "SizeResult") -> dict[str, Any]:
    return {
        "lines_a_call": one.size,
        "lines": len(one.given),
        "right": one.right,
        "failed": one.failed,
        "by_label": {label: list(counts) for label, counts in one.by_label().items()},
        "mistaken": [list(mistake) for mistake in one.mistaken()],
        "subcalls": one.subcalls,
        "seconds": round(one.seconds, 3),
        "prompt_tokens": one.prompt_tokens,
        "cached_tokens": one.cached_tokens,
    }


def _trial_as_json(one: "Trial") -> dict[str, Any]:
    return {
        "profile": one.candidate.name,
        "spec": one.candidate.spec.model_dump(mode="json", exclude_defaults=True),
        **{key: value for key, value in asdict(one).items() if key not in {"candidate", "right"}},
        "right": list(one.right),
    }
