"""`rlm-local up`, `down`, `status`, `logs`: model servers kept up between questions."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from rlm_local.errors import RlmError, UserError

if TYPE_CHECKING:
    from rlm_local.serving.server_records import ServerRecord, StackRecord
    from rlm_local.session.stacks import Machine, OnPhase

__all__ = ["down", "logs", "status", "up"]

_FOLLOW_POLL_S = 0.5


@click.command()
@click.option("--stack", default="auto", show_default=True, help="Entry of models.yaml.")
@click.option("--models-file", type=click.Path(path_type=Path), help="Instead of the bundled one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
def up(stack: str, models_file: Path | None, *, as_json: bool, quiet: bool) -> None:
    """Start a stack's model servers and keep them up."""
    from rlm_local.cli.progress import open_progress
    from rlm_local.session.stacks import Machine

    machine = Machine.here(models_file)
    with open_progress(quiet=quiet) as progress:
        record = asyncio.run(_bring_up(machine, machine.choose(stack), progress))
    if as_json:
        click.echo(json.dumps(_described(record)))
    else:
        click.echo(f"{record.stack} is up; `rlm-local down` stops it", err=True)


async def _bring_up(machine: "Machine", stack: str, progress: "OnPhase") -> "StackRecord":
    from rlm_local.planner.hardware import probe
    from rlm_local.planner.placement import plan
    from rlm_local.session.stacks import start_servers

    async with machine.records.claim(stack):
        running = machine.records.read(stack)
        if running is not None:
            return running
        placement = plan(machine.registry, stack, probe())
        if placement.backend != "vllm":
            raise UserError(
                f"stack {stack} runs inside `ask` itself; there is no server to keep up"
            )
        started = await start_servers(machine, placement, progress, keep=True)
        kept = False
        try:
            record = machine.records.write(stack, started.records)
            started.detach()
            kept = True
        finally:
            if not kept:
                await started.stop()
        return record


@click.command()
@click.option("--stack", help="Only this one; default: all that are up.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def down(stack: str | None, *, as_json: bool) -> None:
    """Stop the servers that `up` started."""
    from rlm_local.session.stacks import Machine

    machine = Machine.here()
    records = _named(machine.records.all(), stack)
    asyncio.run(_bring_down(machine, records))
    if as_json:
        click.echo(json.dumps({"stopped": [record.stack for record in records]}))
        return
    for record in records:
        click.echo(f"{record.stack} is down", err=True)
    if not records:
        click.echo("nothing is up", err=True)


async def _bring_down(machine: "Machine", records: "Iterable[StackRecord]") -> None:
    for record in records:
        async with machine.records.claim(record.stack):
            await machine.records.stop(record)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(*, as_json: bool) -> None:
    """Show which servers are up, and whether they answer."""
    from rlm_local.session.stacks import Machine

    found = asyncio.run(_examine(Machine.here().records.all()))
    if as_json:
        click.echo(json.dumps({"stacks": found}))
        return
    if not found:
        click.echo("nothing is up; `rlm-local up` starts a stack", err=True)
    for stack in found:
        click.echo(f"{stack['stack']}, up for {_span(stack['up_s'])}")
        for server in stack["servers"]:
            roles = " and ".join(server["roles"])
            click.echo(
                f"  {roles}: {server['model']}, {server['state']}, "
                f"window {server['max_model_len']:,} tokens, {server['max_num_seqs']} sequences"
            )


async def _examine(records: "Iterable[StackRecord]") -> list[dict[str, Any]]:
    found = []
    for record in records:
        described = _described(record)
        for server, facts in zip(record.servers, described["servers"], strict=True):
            facts["state"] = await _state(server)
        found.append(described)
    return found


async def _state(server: "ServerRecord") -> str:
    from rlm_local.serving.openai_model import probe

    try:
        await probe(server.endpoint(server.served_names[0]))
    except RlmError as error:
        return f"does not answer ({error})"
    return "answers"


@click.command()
@click.option("--stack", help="Whose log; default: the one that is up.")
@click.option("--follow", "-f", is_flag=True, help="Go on printing what is added.")
@click.option("--lines", "-n", type=click.IntRange(min=1), default=50, show_default=True)
def logs(stack: str | None, *, follow: bool, lines: int) -> None:
    """Print the end of a server's log."""
    from rlm_local.session.stacks import Machine

    records = _named(Machine.here().records.all(), stack)
    if not records:
        raise UserError("nothing is up, so there is no log; `rlm-local up` starts a stack")
    paths = [server.log_path for record in records for server in record.servers]
    with ExitStack() as opened:
        files = [opened.enter_context(_open_log(path)) for path in paths]
        for path, file in zip(paths, files, strict=True):
            if len(paths) > 1:
                click.echo(f"==> {path} <==")
            for line in deque(file, maxlen=lines):
                click.echo(line, nl=False)
        while follow:
            for file in files:
                click.echo(file.read(), nl=False)
            time.sleep(_FOLLOW_POLL_S)


def _named(records: "list[StackRecord]", stack: str | None) -> "list[StackRecord]":
    if stack is None:
        return records
    named = [record for record in records if record.stack == stack]
    if not named:
        up_now = ", ".join(record.stack for record in records) or "none"
        raise UserError(f"stack {stack!r} is not up; up now: {up_now}")
    return named


def _open_log(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _described(record: "StackRecord") -> dict[str, Any]:
    return {
        "stack": record.stack,
        "up_s": round(time.time() - record.started_at, 1),
        "servers": [
            {
                "roles": list(server.served_names),
                "model": server.model,
                "digest": server.digest,
                "max_model_len": server.max_model_len,
                "max_num_seqs": server.max_num_seqs,
                "log": str(server.log_path),
            }
            for server in record.servers
        ],
    }


def _span(seconds: float) -> str:
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s"
