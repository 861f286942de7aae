"""`rlm-local bench`: try your own models: a worker's labels, a root's profile.

Results go to stdout, progress to stderr. Benchmarks with public data are in the repository.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rlm_local.cli.bench_report import print_sizes, print_trials, size_as_json, trial_as_json
from rlm_local.errors import ConfigError, ModelError, UserError

if TYPE_CHECKING:
    from rlm_local.bench.attempts import Attempts, Failure
    from rlm_local.bench.profile_trial import Trial
    from rlm_local.bench.target import Target
    from rlm_local.registry import ProfileSpec
    from rlm_local.session.settings import Settings
    from rlm_local.types import ReplyStyle

__all__ = ["bench"]

Command = TypeVar("Command", bound=Callable[..., Any])

_STYLES: tuple["ReplyStyle", ...] = ("prefill", "fence", "json")
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
    from rlm_local.bench.attempts import Attempts, Failure
    from rlm_local.bench.labelled_lines import pick, read_lines, sample_lines
    from rlm_local.bench.worker_trial import SizeResult, try_worker
    from rlm_local.cli.progress import open_progress

    counts = _sizes(sizes)
    chosen = pick(read_lines(file) if file else sample_lines(), lines, seed=seed)
    target = _target(options, root=options["worker"], stack=options["stack"])
    attempts = Attempts[SizeResult]()
    try:
        with open_progress(quiet=options["quiet"]) as progress:
            for size in counts:
                trial = partial(try_worker, target, chosen, size=size, instruction=instruction)
                one = attempts.run(
                    f"{size} a call", partial(trial, settings=_settings(), progress=progress)
                )
                if one and not options["quiet"]:
                    right = f"{one.right} of {len(one.given)} right"
                    click.echo(f"{size} a call: {right}, {one.seconds:.0f} s", err=True)
    finally:  # whatever ends it, what has come is told
        if attempts.results and as_json:
            told: list[SizeResult | Failure] = [*attempts.results, *attempts.failures]
            click.echo(json.dumps([size_as_json(one) for one in told]))
        elif attempts.results:
            print_sizes(attempts.results, attempts.failures)
    attempts.require_one()


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
    from rlm_local.bench.attempts import Attempts
    from rlm_local.bench.profile_trial import Trial, candidates, try_candidate
    from rlm_local.bench.small_tasks import small_tasks
    from rlm_local.cli.progress import open_progress

    specs = _bases(model, bases)
    looks = (False, True) if look is None else (look,)
    found = candidates(specs, [style for style in _STYLES if style in (styles or _STYLES)], looks)
    stack = options["stack"] or _stack_of(model, is_needed=options["base_url"] is None)
    if options["base_url"] is None:
        _check_root(stack, model)
    target = _target(options, root=model, stack=stack)
    tasks = small_tasks(n_tasks, seed=seed)
    attempts = Attempts[Trial]()
    try:
        with open_progress(quiet=options["quiet"]) as progress:
            for candidate in found:
                trial = partial(try_candidate, target, candidate, tasks, at_once=at_once)
                one = attempts.run(
                    candidate.name, partial(trial, settings=_settings(), progress=progress)
                )
                if one and not options["quiet"]:
                    right = f"{one.n_right} of {len(tasks)} right"
                    click.echo(f"{candidate.name}: {right}, {one.seconds:.0f} s", err=True)
    finally:  # whatever ends it, what has come is told
        _tell_trials(attempts, model, as_json=options["as_json"])
    attempts.require_one()
    if all(one.came_to_nothing for one in attempts.results):
        raise ModelError(f"no candidate got any task to an end: {attempts.results[0].failures[0]}")


def _tell_trials(attempts: "Attempts[Trial]", model: str, *, as_json: bool) -> None:
    from rlm_local.bench.profile_trial import as_yaml, recommended

    if not attempts.results:
        return
    best = recommended(attempts.results)
    is_any_right = best.n_right > 0
    if as_json:
        tried: list[Trial | Failure] = [*attempts.results, *attempts.failures]
        told = [trial_as_json(one) for one in tried]
        name = best.candidate.name if is_any_right else None
        click.echo(json.dumps({"trials": told, "recommended": name}))
        return
    print_trials(attempts.results, attempts.failures)
    if is_any_right:
        click.echo(f"Recommended: {best.candidate.name}. For models.yaml:")
        click.echo(f"\n{as_yaml(best, model)}")
    else:
        click.echo("Recommended: none; no candidate answered a task rightly.")


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
    spec = registry.served_as(model)
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
