"""`rlm-local plan`: where a stack would run on real or imagined hardware, and the exact commands.

Starts nothing. Without `--stack` every stack gets a verdict.
"""

import dataclasses
import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlm_local.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from rlm_local.planner.hardware import Hardware
    from rlm_local.planner.placement import Placement, ServerPlacement
    from rlm_local.serving.vllm_command import ServerPlan
    from rlm_local.session.servers import Machine

__all__ = ["plan"]

_KEY = "RANDOM"
_FOLDER = Path("PRIVATE_FOLDER")
_THAT_ADDRESS = "ADDRESS_OF_THAT_MACHINE"
_WIDE_COLUMNS = 200


@click.command()
@click.option("--stack", help="Entry of models.yaml; default: a verdict for each.")
@click.option("--vram", metavar="SIZE", help="Imagine cards of this size, such as 24GiB.")
@click.option("--gpus", type=click.IntRange(min=0, max=64), help="How many of them; 0: none.")
@click.option("--compute", metavar="X.Y", help="Their compute capability (8.9 without).")
@click.option("--ram", metavar="SIZE", help="Imagine so much memory free.")
@click.option("--hardware", type=click.Path(path_type=Path), help="A recorded machine (JSON).")
@click.option("--record", is_flag=True, help="Print the machine as such a record, and no plan.")
@click.option("--models-file", type=click.Path(path_type=Path), help="Instead of the bundled one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(  # one keyword an option; those of the machine are read by name below
    stack: str | None,
    *,
    record: bool,
    models_file: Path | None,
    as_json: bool,
    **machine_options: Any,  # noqa: ANN401
) -> None:
    """Show where a stack would fit, on this machine or an imagined one, and its commands."""
    from rlm_local.planner.hardware_file import as_json as as_record
    from rlm_local.session.servers import Machine

    machine = Machine.here(models_file)
    hardware = _hardware(machine_options)
    if record:
        click.echo(as_record(hardware))
    elif stack is None:
        _show_verdicts(machine, hardware, as_json=as_json)
    else:
        _show_stack(machine, hardware, stack, as_json=as_json)


def _hardware(options: Mapping[str, Any]) -> "Hardware":
    """This machine or a recorded one, with what was imagined in place of its own."""
    from rlm_local.planner.hardware import probe
    from rlm_local.planner.hardware_file import parse_size, read_hardware, with_memory

    seen = read_hardware(options["hardware"]) if options["hardware"] else probe()
    if options["ram"]:
        seen = with_memory(seen, parse_size(options["ram"]))
    return _with_cards(seen, options)


def _with_cards(hardware: "Hardware", options: Mapping[str, Any]) -> "Hardware":
    from rlm_local.planner.hardware_file import imagined_cards, parse_size

    vram, n_cards, compute = options["vram"], options["gpus"], options["compute"]
    if vram:
        count = 1 if n_cards is None else n_cards
        cards = imagined_cards(parse_size(vram), count, _capability(compute or "8.9"))
        return replace(hardware, gpus=cards, notes=())
    if compute:
        raise ConfigError("--compute is that of imagined cards; give their size with --vram")
    if n_cards is None:
        return hardware
    if n_cards > len(hardware.gpus):
        raise ConfigError(
            f"--gpus {n_cards}: this machine has {len(hardware.gpus)}; imagine them with --vram"
        )
    return replace(hardware, gpus=hardware.gpus[:n_cards])


def _capability(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    if not (major.isdigit() and minor.isdigit()):
        raise ConfigError(f"--compute {text}: a capability is written as 8.9")
    return int(major), int(minor)


def _show_verdicts(machine: "Machine", hardware: "Hardware", *, as_json: bool) -> None:
    from rlm_local.cli.plan_table import hardware_line, verdict_table
    from rlm_local.planner.placement import fitting_stacks
    from rlm_local.planner.verdicts import verdicts

    knowledge = machine.knowledge()
    found = verdicts(machine.registry, hardware, knowledge)
    if as_json:
        stacks = [{**dataclasses.asdict(verdict), "fits": verdict.fits} for verdict in found]
        click.echo(json.dumps({"hardware": dataclasses.asdict(hardware), "stacks": stacks}))
        return
    _print(hardware_line(hardware), verdict_table(found))
    for note in hardware.notes:
        click.echo(f"note: {note}")
    if best := fitting_stacks(machine.registry, hardware, knowledge):
        click.echo(f"\nthe largest: `rlm-local plan --stack {best[0]}` shows it", err=True)


def _show_stack(machine: "Machine", hardware: "Hardware", stack: str, *, as_json: bool) -> None:
    from rlm_local.cli.plan_table import hardware_line, placement_table
    from rlm_local.planner.placement import plan as place

    placement = place(machine.registry, stack, hardware, machine.knowledge())
    commands = [
        command
        for placed in placement.servers
        for command in (
            _command(machine, placement, placed),
            *_joining_commands(machine, placement, placed),
        )
    ]
    if placement.backend == "transformers":
        commands = []
    if as_json:
        placed = {**dataclasses.asdict(placement), "needed_bytes": placement.needed_bytes}
        shown = {
            "hardware": dataclasses.asdict(hardware),
            "placement": placed,
            "commands": [dataclasses.asdict(command) for command in commands],
        }
        click.echo(json.dumps(shown))
        return
    _print(hardware_line(hardware), placement_table(placement, hardware))
    for cut in placement.cuts:
        click.echo(f"note: {cut}")
    for command in commands:
        where = f", on machine {command.rank} beside this one" if command.rank else ""
        click.echo(f"\n# {' and '.join(command.roles)}{where}\n{command.as_shell()}")
    if not commands:
        click.echo("it runs inside `rlm-local ask` itself: no server, no command")


@dataclasses.dataclass(frozen=True, slots=True)
class _Command:
    """How a server is started; the environment without what is the machine's own."""

    roles: tuple[str, ...]
    argv: tuple[str, ...]
    env: dict[str, str]
    rank: int = 0
    """Of the machine, where one server goes over several; 0 is the one `up` runs on."""

    def as_shell(self) -> str:
        variables = (f"{name}={shlex.quote(value)}" for name, value in self.env.items())
        # a flag and its value stay on one line
        words: list[str] = []
        for word in map(shlex.quote, self.argv):
            if words and not word.startswith("--"):
                words[-1] += f" {word}"
            else:
                words.append(word)
        return " \\\n  ".join([*variables, *words])


def _command(machine: "Machine", placement: "Placement", placed: "ServerPlacement") -> _Command:
    """As the server is started; its key and its socket are made up anew at each start."""
    from rlm_local.serving.vllm_command import command, environment

    server = _server_plan(machine, placement, placed)
    variables = environment(server, api_key=_KEY, scratch=_FOLDER, inherited={})
    return _Command(
        roles=placed.roles, argv=tuple(command(server, socket=_FOLDER / "socket")), env=variables
    )


def _joining_commands(
    machine: "Machine", placement: "Placement", placed: "ServerPlacement"
) -> list[_Command]:
    """What is run by hand on the other machines of a server that goes over several."""
    from rlm_local.serving.vllm_command import environment, joining_command

    stack = machine.registry.stack(placement.stack)
    is_root = "root" in placed.roles
    spread = stack.distributed if is_root else stack.worker_distributed
    added = stack.vllm_args if is_root else stack.worker_vllm_args
    server = _server_plan(machine, placement, placed)
    alike = replace(
        server,
        extra_args=(*machine.registry.model(placed.model).vllm_args, *added),
        own_address=_THAT_ADDRESS,
    )
    variables = environment(alike, api_key=_KEY, scratch=_FOLDER, inherited={})
    return [
        _Command(
            roles=placed.roles,
            argv=tuple(joining_command(alike, spread.flags(rank))),
            env={name: value for name, value in variables.items() if name != "VLLM_API_KEY"},
            rank=rank,
        )
        for rank in spread.joining_ranks
    ]


def _server_plan(
    machine: "Machine", placement: "Placement", placed: "ServerPlacement"
) -> "ServerPlan":
    from rlm_local.session.servers import server_plan

    home, spec = machine.home.folder("weights") / placed.model, machine.registry.model(placed.model)
    folder = home / ("served" if spec.source.file else "source")
    adapter = home / "adapter" / placed.model / "source" if spec.adapter else None
    return server_plan(machine, placement.stack, placed, folder, adapter=adapter)


def _print(heading: str, table: "Table") -> None:
    from rich.console import Console

    click.echo(f"{heading}\n")
    console = Console(highlight=False)
    if not console.is_terminal:  # in full also where nothing says how wide it may be
        console = Console(highlight=False, width=_WIDE_COLUMNS)
    console.print(table)
