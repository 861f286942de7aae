"""What `rlm-local bench` prints: tables for people, plain values for `--json`. Tries nothing."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from rlm_local.bench.attempts import Failure

if TYPE_CHECKING:
    from rlm_local.bench.profile_trial import Trial
    from rlm_local.bench.worker_trial import SizeResult

__all__ = ["print_sizes", "print_trials", "size_as_json", "trial_as_json"]

_MISTAKES = 5
_PLAIN_COLUMNS = 160


def print_sizes(results: "Sequence[SizeResult]", failures: Sequence[Failure] = ()) -> None:
    """A row a size, the commonest mistakes, and what came to nothing."""
    from rlm_local.trace.printable import printable

    labels = list(results[0].by_label()) if results else []
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
    if rows:
        _table(["lines a call", "right", *labels, "failed", "sub-calls", "lines/s"], rows)
    for one in results:
        for true, said, n in one.mistaken()[:_MISTAKES]:
            click.echo(printable(f"{one.size} a call: {true} taken for {said or 'nothing'}: {n}"))
    _print_failures(failures)


def print_trials(trials: "Sequence[Trial]", failures: Sequence[Failure] = ()) -> None:
    """A row a candidate, what failed in it, and what came to nothing."""
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
    if rows:
        _table(["profile", "right", "forced", "failed", "turns", "tokens", "seconds"], rows)
    for failure in dict.fromkeys(text for one in trials for text in one.failures):
        click.echo(printable(f"failed: {failure[:200]}"))
    _print_failures(failures)


def _print_failures(failures: Sequence[Failure]) -> None:
    from rlm_local.trace.printable import printable

    for failure in failures:
        click.echo(printable(f"{failure.name} came to nothing: {failure.reason}"))


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


def size_as_json(one: "SizeResult | Failure") -> dict[str, Any]:
    """One size, or why there is nothing of it."""
    if isinstance(one, Failure):
        return {"name": one.name, "error": one.reason}
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


def trial_as_json(one: "Trial | Failure") -> dict[str, Any]:
    """One candidate, or why there is nothing of it."""
    if isinstance(one, Failure):
        return {"profile": one.name, "error": one.reason}
    return {
        "profile": one.candidate.name,
        "spec": one.candidate.spec.model_dump(mode="json", exclude_defaults=True),
        **{key: value for key, value in asdict(one).items() if key not in {"candidate", "right"}},
        "right": list(one.right),
    }
