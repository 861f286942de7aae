"""`rlm-local up`, `down`, `status`, `logs`: model servers kept up between questions."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import click

from rlm_local.cli.durations import DURATION
from rlm_local.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from rlm_local.serving.server_records import StackRecord
    from rlm_local.session.servers import Machine, OnPhase

__all__ = ["down", "logs", "status", "up"]


@click.command()
@click.option("--stack", default="auto", show_default=True, help="Entry of models.yaml.")
@click.option("--models-file", type=click.Path(), help="Instead of the bundled one.")
@click.option(
    "--idle-timeout",
    type=DURATION,
    default="0",
    show_default=True,
    help="Stop when nobody used it for so long, such as 30m or 2h; 0: never.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
def up(
    stack: str, models_file: str | None, *, idle_timeout: float, as_json: bool, quiet: bool
) -> None:
    """Start a stack's model servers and keep them up."""
    from pathlib import Path

    from rlm_local.cli.progress import open_progress
    from rlm_local.session.server_status import described
    from rlm_local.session.servers import Machine

    machine = Machine.here(Path(models_file) if models_file else None)
    with open_progress(quiet=quiet) as progress:
        record = asyncio.run(_bring_up(machine, stack, idle_timeout, progress))
    if as_json:
        click.echo(json.dumps(described(record)))
    else:
        click.echo(f"{record.stack} is up; `rlm-local down` stops it", err=True)


async def _bring_up(
    machine: "Machine", stack: str, idle_timeout_s: float, progress: "OnPhase"
) -> "StackRecord":
    from rlm_local.planner.placement import Placement
    from rlm_local.session.servers import get_servers

    if stack != "auto":
        machine.registry.stack(stack)
    found = await get_servers(machine, stack, progress)
    if isinstance(found, Placement):
        raise UserError(
            f"stack {found.stack} runs inside `ask` itself; there is no server to keep up"
        )
    try:
        found.keep(idle_timeout_s)
    finally:
        await found.release()
    return found.record


@click.command()
@click.option("--stack", help="Only this one; default: all that `up` keeps.")
@click.option("--force", is_flag=True, help="Also those that a run uses now.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def down(stack: str | None, *, force: bool, as_json: bool) -> None:
    """Stop the servers that `up` keeps; those in use stop when their last run has ended."""
    from rlm_local.session.servers import Machine

    machine = Machine.here()
    machine.records.sweep()
    records = _named(machine.records.all(), stack)
    if stack is None and not force:
        records = [record for record in records if record.is_kept]
    stopped, in_use = asyncio.run(_bring_down(machine, records, force=force))
    if as_json:
        click.echo(json.dumps({"stopped": stopped, "in_use": in_use}))
        return
    for name in stopped:
        click.echo(f"{name} is down", err=True)
    for name in in_use:
        click.echo(f"{name} is in use; it stops when that ends (--force: now)", err=True)
    if not records:
        click.echo("nothing is up", err=True)


async def _bring_down(
    machine: "Machine", records: "list[StackRecord]", *, force: bool
) -> tuple[list[str], list[str]]:
    stopped: list[str] = []
    in_use: list[str] = []
    for record in records:
        record.let_go()
        if record.users and not force:
            in_use.append(record.stack)
        else:
            await machine.records.stop(record)
            stopped.append(record.stack)
    return stopped, in_use


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(*, as_json: bool) -> None:
    """Show which servers are up, how they are doing, and which died."""
    from rlm_local.session.servers import Machine

    records = Machine.here().records
    records.sweep()
    ended = [_ending(record) for record in records.take_fallen()]
    found = asyncio.run(_examine(records.all()))
    if as_json:
        click.echo(json.dumps({"stacks": found, "ended": ended}))
        return
    from rlm_local.cli.server_lines import lines_of

    for one in ended:
        click.echo(f"{one['stack']} is no more: {one['cause']}")
    if not found and not ended:
        click.echo("nothing is up; `rlm-local up` starts a stack", err=True)
    for stack in found:
        for line in lines_of(stack):
            click.echo(line)


def _ending(record: "StackRecord") -> dict[str, str]:
    failures = [str(failure) for server in record.servers if (failure := server.failure())]
    return {"stack": record.stack, "cause": "; ".join(dict.fromkeys(failures))}


async def _examine(records: "list[StackRecord]") -> list[dict[str, Any]]:
    from rlm_local.session.server_status import examined

    return list(await asyncio.gather(*map(examined, records)))


@click.command()
@click.option("--stack", help="Whose log; default: the one that is up.")
@click.option("--follow", "-f", is_flag=True, help="Go on printing what is added.")
@click.option("--lines", "-n", type=click.IntRange(min=1), default=50, show_default=True)
def logs(stack: str | None, *, follow: bool, lines: int) -> None:
    """Print the end of a server's log."""
    from rlm_local.cli.log_tail import print_logs
    from rlm_local.session.servers import Machine

    records = _named(Machine.here().records.all(), stack)
    if not records:
        raise UserError("nothing is up, so there is no log; `rlm-local up` starts a stack")
    paths: list[Path] = [server.log_path for record in records for server in record.servers]
    print_logs(paths, lines, follow=follow)


def _named(records: "list[StackRecord]", stack: str | None) -> "list[StackRecord]":
    if stack is None:
        return records
    named = [record for record in records if record.stack == stack]
    if not named:
        up_now = ", ".join(record.stack for record in records) or "none"
        raise UserError(f"stack {stack!r} is not up; up now: {up_now}")
    return named
