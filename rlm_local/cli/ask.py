"""`rlm-local ask`: one question over files, folders or stdin.

The answer goes to stdout, everything else to stderr; with `--json`, stdout holds one JSON object.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import click

from rlm_local.cell_limits import CellLimits
from rlm_local.errors import UserError
from rlm_local.types import Answer, Limits, RunMode

if TYPE_CHECKING:
    from rlm_local.context.sources import ContextInput
    from rlm_local.engine.recording import Recording
    from rlm_local.session import RLM
    from rlm_local.session.rlm import Progress
    from rlm_local.session.settings import Settings

__all__ = ["answer_as_json", "ask"]

Command = TypeVar("Command", bound=Callable[..., Any])

_OFF_BANNER = (
    "SANDBOX OFF: code the model writes runs as you, with your files and your network, whatever "
    "the context told it to write"
)
_ENDPOINT = "endpoint"
"""What a trace calls the stack of a run at `--base-url`."""
_CACHE_USES: dict[bool | None, Literal["auto", "on", "off"]] = {
    None: "auto",
    True: "on",
    False: "off",
}
_DEFAULTS = Limits()
_LIMIT_OPTIONS = (
    ("--max-turns", click.IntRange(min=1), _DEFAULTS.max_turns, "Replies of the root."),
    ("--max-subcalls", click.IntRange(min=0), _DEFAULTS.max_subcalls, "Prompts to the worker."),
    ("--max-tokens", click.IntRange(min=1), None, "Prompt and reply tokens of all models."),
    ("--max-seconds", click.FloatRange(min=0, min_open=True), None, "Wall time of the run."),
    ("--max-depth", click.IntRange(min=0), _DEFAULTS.max_depth, "Levels of child runs."),
    (
        "--cell-timeout-s",
        click.FloatRange(min=0, min_open=True),
        _DEFAULTS.cell_timeout_s,
        "Time of one cell, sub-calls not counted.",
    ),
    (
        "--cell-memory-bytes",
        click.IntRange(min=1),
        None,
        "Memory of the REPL; default: 2 GiB and six times the context.",
    ),
)


def _limit_options(command: Command) -> Command:
    for flag, kind, default, text in reversed(_LIMIT_OPTIONS):
        command = click.option(
            flag, type=kind, default=default, show_default=default is not None, help=text
        )(command)
    return command


@click.command()
@click.argument("question", required=False)
@click.option("--context", "-c", "paths", multiple=True, metavar="PATH", help="File, folder or -.")
@click.option("--include", multiple=True, metavar="GLOB", help="In folders, only these files.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="In folders, not these files.")
@click.option("--stack", default="auto", show_default=True, help="Entry of models.yaml.")
@click.option(
    "--base-url",
    "base_urls",
    multiple=True,
    metavar="URL",
    help="An OpenAI-shaped endpoint that already runs, instead of a stack; repeat it for replicas.",
)
@click.option("--api-key", envvar="RLM_LOCAL_API_KEY", help="Its key (or RLM_LOCAL_API_KEY).")
@click.option("--root", help="Name of the root model at --base-url.")
@click.option("--worker", help="Name of the worker model; default: the root.")
@click.option(
    "--worker-base-url",
    "worker_base_urls",
    multiple=True,
    metavar="URL",
    help="Where the worker is served, if elsewhere; repeat it for replicas.",
)
@click.option(
    "--worker-api-key",
    envvar="RLM_LOCAL_WORKER_API_KEY",
    help="The key there (or RLM_LOCAL_WORKER_API_KEY); --api-key is not sent there.",
)
@click.option(
    "--cache-salt",
    metavar="run|TEXT",
    help="Share vLLM's prefix cache with no other run, or only with those of the same TEXT.",
)
@click.option("--profile", help="Root profile of models.yaml; default: the model's own.")
@click.option("--models-file", type=click.Path(path_type=Path), help="Instead of the bundled one.")
@click.option(
    "--mode", type=click.Choice(["auto", "rlm", "direct"]), default="auto", show_default=True
)
@click.option(
    "--sandbox", default="auto", show_default=True, help="auto, require-full, sealed, off."
)
@click.option(
    "--cell-limit",
    "cell_limits",
    multiple=True,
    metavar="NAME=VALUE",
    help=f"What a cell may use; NAME: {', '.join(CellLimits.__dataclass_fields__)}.",
)
@click.option(
    "--agreement",
    type=int,
    default=1,
    metavar="K",
    help="Sample the root K times (up to 9) and take the answer most samples give.",
)
@click.option("--seed", type=int, help="Seed of every model call.")
@click.option("--trace", "trace_path", type=click.Path(path_type=Path), help="Where to write it.")
@click.option("--no-trace", is_flag=True, help="Write no trace.")
@click.option(
    "--resume",
    metavar="TRACE",
    help="Go on with a killed run, over the same --context; QUESTION and limits are the run's.",
)
@click.option(
    "--cache/--no-cache",
    default=None,
    help="Keep the worker's replies on disk; default: where its weights are known.",
)
@click.option("--count-tokens", is_flag=True, help="Count the context's tokens exactly.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@_limit_options
def ask(  # one keyword an option; they are read by name below
    question: str | None,
    paths: tuple[str, ...],
    *,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> int:
    """Answer QUESTION over the given files and folders."""
    from rlm_local.cli.progress import open_progress

    given, recording = click.get_current_context(), _recording(options["resume"])
    if recording is None and question is None:
        raise click.MissingParameter(param_hint="'QUESTION'", param_type="argument")
    if question is not None and not question.strip():
        raise UserError("the question is empty; say what you want to know")
    _check_paths(paths)
    with (
        open_progress(quiet=options["quiet"]) as progress,
        closing(_open(given, progress, recording)) as rlm,  # models start once the context is read
        _inputs(paths) as inputs,
    ):
        if options["sandbox"] == "off":
            progress.warn(_OFF_BANNER)  # also when quiet
        answer = rlm.complete(inputs, question, recording=recording)
    _print(answer, as_json=as_json)
    return 0 if answer.text and answer.stop_reason != "error" else 1


def _recording(trace: str | None) -> "Recording | None":
    if trace is None:
        return None
    from rlm_local.cli.trace import find_trace
    from rlm_local.session.resuming import load_recording

    return load_recording(find_trace(trace))


def _check_paths(paths: tuple[str, ...]) -> None:
    """Before any server is started: a name mistyped should not cost a minute."""
    from rlm_local.context.sources import check_path

    if not paths:
        raise UserError("no context given; add --context PATH (a file, a folder, or - for stdin)")
    if paths.count("-") > 1:
        raise UserError("--context - stands for standard input and can be given once")
    for path in paths:
        if path != "-":
            check_path(Path(path))


@contextmanager
def _inputs(paths: tuple[str, ...]) -> "Iterator[list[ContextInput]]":
    from rlm_local.cli.standard_input import open_standard_input
    from rlm_local.context.sources import StreamInput

    if "-" not in paths:
        yield [Path(path) for path in paths]
        return
    with open_standard_input() as stdin:
        yield [StreamInput("stdin", stdin) if path == "-" else Path(path) for path in paths]


def _open(given: click.Context, progress: "Progress", recording: "Recording | None") -> "RLM":
    from rlm_local.session import RLM

    options = given.params
    settings = _settings(options)
    if recording:
        settings = _as_recorded(given, settings, recording)
    if not options["base_urls"]:
        for name in ("root", "worker", "worker_base_urls"):
            if options[name]:
                flag = name.removesuffix("s").replace("_", "-")
                raise UserError(f"--{flag} is about models at an endpoint; add --base-url URL")
        return RLM.local(_stack(given, recording), settings=settings, progress=progress)
    if options["root"] is None:
        raise UserError("--base-url needs --root NAME, the model to ask there")
    return RLM(
        base_url=options["base_urls"],
        api_key=options["api_key"],
        root=options["root"],
        worker=options["worker"],
        worker_base_url=options["worker_base_urls"] or None,
        worker_api_key=options["worker_api_key"],
        settings=settings,
        progress=progress,
    )


def _stack(given: click.Context, recording: "Recording | None") -> str:
    stack = str(given.params["stack"])
    if recording is None or _is_typed(given, "stack"):
        return stack
    if recording.start.stack == _ENDPOINT:
        raise UserError("the run to resume used an endpoint; add --base-url URL and --root NAME")
    return recording.start.stack


def _is_typed(given: click.Context, name: str) -> bool:
    return given.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE


def _as_recorded(given: click.Context, settings: "Settings", recording: "Recording") -> "Settings":
    from rlm_local.session.resuming import resumed

    typed = {
        name: value for name, value in asdict(settings.limits).items() if _is_typed(given, name)
    }
    return resumed(settings, recording, limits=typed)


def _settings(options: dict[str, Any]) -> "Settings":
    from rlm_local.cell_limits import read_cell_limits
    from rlm_local.context.sources import ReadOptions
    from rlm_local.session.results import CacheSettings
    from rlm_local.session.settings import Settings

    limit_names = [flag.lstrip("-").replace("-", "_") for flag, *_ in _LIMIT_OPTIONS]
    return Settings(
        limits=Limits(**{name: options[name] for name in limit_names}),
        cells=read_cell_limits(options["cell_limits"]),
        sandbox=options["sandbox"],
        mode=cast(RunMode, options["mode"]),
        agreement=options["agreement"],
        seed=options["seed"],
        cache_salt=options["cache_salt"],
        profile=options["profile"],
        models_file=options["models_file"],
        trace="off" if options["no_trace"] else options["trace_path"] or "auto",
        read=ReadOptions(include=options["include"], exclude=options["exclude"]),
        count_tokens=options["count_tokens"],
        cache=CacheSettings(_CACHE_USES[options["cache"]]),
    )


def _print(answer: Answer, *, as_json: bool) -> None:
    from rlm_local.trace.printable import printable

    on_terminal = sys.stdout.isatty()
    if as_json:
        click.echo(json.dumps(answer_as_json(answer), ensure_ascii=on_terminal))
    elif answer.text:
        click.echo(printable(answer.text) if on_terminal else answer.text)
    note = answer.error or (None if answer.text else f"no answer: {answer.stop_reason}")
    if note:
        click.echo(f"stopped: {printable(note)}", err=True)


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """The object `--json` prints; its keys are a contract."""
    usage = {
        role: {
            "prompt_tokens": spent.prompt_tokens,
            "cached_tokens": spent.cached_tokens,
            "completion_tokens": spent.completion_tokens,
            "prefix_hit_rate": _rounded(spent.prefix_hit_rate),
        }
        for role, spent in (("root", answer.usage.root), ("worker", answer.usage.worker))
    }
    context = answer.context
    return {
        "answer": answer.text,
        "stop_reason": answer.stop_reason,
        "mode": answer.mode,
        "turns": answer.turns,
        "subcalls": answer.subcalls,
        "cached_subcalls": answer.cached_subcalls,
        "seconds": round(answer.seconds, 3),
        "usage": usage,
        "context": {
            "chars": context.chars,
            "tokens": context.tokens.tokens,
            "tokens_exact": context.tokens.exact,
            "lines": context.lines,
            "documents": context.documents,
            "sha256": context.sha256,
        },
        "stack": answer.stack,
        "trace": answer.trace,
        "sandbox": answer.sandbox,
        "sandbox_level": answer.sandbox_level,
        "error": answer.error,
    }
