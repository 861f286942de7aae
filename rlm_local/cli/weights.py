"""`rlm-local pull`, `verify` and `models`: the weights on this machine.

Results go to stdout, progress to stderr. Names are models or stacks of models.yaml.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import click

from rlm_local.cli.pull_progress import show_progress
from rlm_local.config import Home
from rlm_local.errors import WeightsError
from rlm_local.registry import Registry, load_registry
from rlm_local.types import Json
from rlm_local.weights.store import WeightStore

__all__ = ["models", "pull", "verify"]

_ONLY_IN_JSON = {"repo", "adapter"}

_registry_option = click.option(
    "--models-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Another models.yaml.",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    help="Take the files from this folder instead of the hub and the mirror.",
)
@_registry_option
@_json_option
def pull(
    names: tuple[str, ...], *, source: Path | None, models_file: Path | None, as_json: bool
) -> None:
    """Fetch and check the weights of models or stacks; what is right already is kept."""
    registry = load_registry(models_file)
    store = _store(registry)
    pulled: list[Json] = []
    for model in _models_of(registry, names):
        with show_progress(model) as progress:
            lock = store.pull(model, source=source, progress=progress)
        folder = store.location(model, serving="transformers")
        pulled.append(
            {
                "model": model,
                "origin": lock.origin,
                "revision": lock.revision,
                "digest": lock.digest,
                "bytes": store.bytes_on_disk(model),
                "folder": str(folder),
            }
        )
        if not as_json:
            click.echo(f"{model}: complete, from the {lock.origin}, in {folder}")
    if as_json:
        click.echo(json.dumps({"pulled": pulled}))


@click.command()
@click.argument("names", metavar="[NAME...]", nargs=-1)
@_registry_option
@_json_option
@click.pass_context
def verify(
    context: click.Context, names: tuple[str, ...], *, models_file: Path | None, as_json: bool
) -> None:
    """Read every byte of weights again and compare it with the lock; all models by default."""
    registry = load_registry(models_file)
    store = _store(registry)
    chosen = _models_of(registry, names) or [
        model for model in registry.models if store.state(model) != "absent"
    ]
    if not chosen:
        raise WeightsError("there are no weights here yet; get some with: rlm-local pull MODEL")
    reports = []
    for model in chosen:
        with show_progress(model) as progress:
            reports.append(store.verify(model, progress=progress))
    bad = [report for report in reports if not report.ok]
    if as_json:
        shown = [{**asdict(report), "ok": report.ok} for report in reports]
        click.echo(json.dumps({"ok": not bad, "models": shown}))
        context.exit(2 if bad else 0)
    for report in reports:
        if report.ok:
            click.echo(f"{report.model}: {report.files} files, {report.bytes:,} bytes, all right")
    if bad:
        problems = "\n".join(f"  {problem}" for report in bad for problem in report.problems)
        mend = " ".join(report.model for report in bad)
        raise WeightsError(
            f"weights are not as they were pulled:\n{problems}\nmend: rlm-local pull {mend}"
        )


@click.command()
@_registry_option
@_json_option
def models(*, models_file: Path | None, as_json: bool) -> None:
    """List the models and stacks of models.yaml, and which weights are here."""
    registry = load_registry(models_file)
    store = _store(registry)
    if as_json:
        click.echo(
            json.dumps({"models": _model_rows(registry, store), "stacks": _stack_rows(registry)})
        )
        return
    for rows in (_model_rows(registry, store), _stack_rows(registry)):
        for line in _aligned(rows):
            click.echo(line)
        click.echo()
    click.echo(f"weights are kept in {Home.from_environment().folder('weights')}")


def _aligned(rows: list[dict[str, Json]]) -> Iterator[str]:
    """Rows as text in columns, with a line of titles; no lines where there are no rows."""
    if not rows:
        return
    columns = [column for column in rows[0] if column not in _ONLY_IN_JSON]
    table = [[column.removesuffix("_bytes").replace("_", " ") for column in columns]]
    table += [[_cell(column, row[column]) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(columns))]
    for line in table:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _cell(column: str, value: Json) -> str:
    if value is None:
        return "-"
    if column == "weight_bytes" and isinstance(value, int):
        return f"{value / 1e9:.1f} GB"
    if column == "vram_gib" and isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _model_rows(registry: Registry, store: WeightStore) -> list[dict[str, Json]]:
    return [
        {
            "model": name,
            "parameters": spec.parameters or None,
            "license": spec.license,
            "weight_bytes": spec.weight_bytes,
            "state": store.state(name),
            "profile": spec.root.profile,
            "repo": spec.source.repo,
            "adapter": spec.adapter.repo if spec.adapter else None,
        }
        for name, spec in registry.models.items()
    ]


def _stack_rows(registry: Registry) -> list[dict[str, Json]]:
    return [
        {
            "stack": name,
            "root": stack.root,
            "worker": registry.worker_of(stack),
            "backend": stack.backend,
            "device": stack.device,
            "vram_gib": stack.vram_gib,
        }
        for name, stack in registry.stacks.items()
    ]


def _models_of(registry: Registry, names: Iterable[str]) -> list[str]:
    """The models that the names mean, each once; a stack means its root and its worker.

    Raises:
        ConfigError: a name is neither.
    """
    found: dict[str, None] = {}
    for name in names:
        if name in registry.stacks:
            stack = registry.stack(name)
            found |= dict.fromkeys([stack.root, registry.worker_of(stack)])
        else:
            registry.model(name)
            found[name] = None
    return list(found)


def _store(registry: Registry) -> WeightStore:
    return WeightStore(Home.from_environment().folder("weights"), registry)
