"""`rlm-local doctor`: is this machine fit, and if not, what mends it.

One line a check, each fault with its fix; the sandbox first, a line for each of its properties.
Exit 0 when a question could be asked here, 1 when something required is broken.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from rlm_local.cli.doctor_packages import Check, Level
from rlm_local.cli.doctor_sandbox import ask_a_repl, sandbox_check, sandbox_json, sandbox_lines
from rlm_local.types import Json

__all__ = ["doctor"]

_MARKS: dict[Level, str] = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@click.command()
@click.option(
    "--models-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Another models.yaml.",
)
@click.option("--sandbox-only", is_flag=True, help="Look at the sandbox and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(
    context: click.Context, *, models_file: Path | None, sandbox_only: bool, as_json: bool
) -> None:
    """Check this machine; print what is wrong and how to mend it."""
    sandbox = ask_a_repl()
    checks = [sandbox_check(sandbox)]
    if not as_json:  # first, and at once: other checks take seconds
        _print(checks[0])
        for line in sandbox_lines(sandbox):
            click.echo(line)
    for check in () if sandbox_only else _machine_checks(models_file):
        checks.append(check)
        if not as_json:
            _print(check)
    broken = [check for check in checks if check.level == "fail"]
    if as_json:
        shown: list[Json] = [asdict(check) for check in checks]
        told = {"ok": not broken, "checks": shown, "sandbox": sandbox_json(sandbox)}
        click.echo(json.dumps(told))
    else:
        click.echo("this machine is fit" if not broken else f"{len(broken)} faults to mend")
    context.exit(1 if broken else 0)


def _print(check: Check) -> None:
    click.echo(f"{_MARKS[check.level]}  {check.name}: {check.detail}")
    if check.fix:
        click.echo(f"      fix: {check.fix}")


def _machine_checks(models_file: Path | None) -> Iterator[Check]:
    from rlm_local.cli.doctor_machine import machine_checks

    return machine_checks(models_file)
