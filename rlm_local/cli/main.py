"""`rlm-local`: finds the command, turns errors into one line and an exit code.

Exit 0: answered; 1: the run failed or stopped without an answer; 2: you must change something;
130: interrupted. Commands are imported when they are called, so that `--help` is quick.
"""

import importlib
import io
import os
import signal
import sys
from types import FrameType
from typing import NamedTuple, NoReturn

import click

from rlm_local import __version__
from rlm_local.errors import RlmError, UserError

__all__ = ["main"]


class _Entry(NamedTuple):
    target: str
    help: str


COMMANDS = {
    "ask": _Entry("rlm_local.cli.ask:ask", "Answer a question over files, folders or stdin."),
    "up": _Entry("rlm_local.cli.servers:up", "Start a stack's model servers and keep them up."),
    "down": _Entry("rlm_local.cli.servers:down", "Stop the servers that `up` started."),
    "status": _Entry("rlm_local.cli.servers:status", "Show which servers are up."),
    "logs": _Entry("rlm_local.cli.servers:logs", "Print a server's log."),
    "plan": _Entry("rlm_local.cli.plan:plan", "Show where a stack would fit, and its commands."),
    "models": _Entry("rlm_local.cli.weights:models", "List models and stacks, and what is here."),
    "pull": _Entry("rlm_local.cli.weights:pull", "Fetch a model's weights, checked."),
    "verify": _Entry("rlm_local.cli.weights:verify", "Hash weights on disk against their lock."),
    "doctor": _Entry(
        "rlm_local.cli.doctor:doctor", "Check this machine, with a fix for each fault."
    ),
    "trace": _Entry("rlm_local.cli.trace:trace", "Read what a run wrote down."),
    "cache": _Entry("rlm_local.cli.cache:cache", "Show or empty the result cache."),
    "serve": _Entry("rlm_local.cli.not_yet:serve", "OpenAI-shaped endpoint (not yet)."),
    "chat": _Entry("rlm_local.cli.not_yet:chat", "Chat over a context (not yet)."),
    "bench": _Entry("rlm_local.cli.bench:bench", "Try your models: labels, profiles."),
}


class _LazyGroup(click.Group):
    """Knows its commands by name and help line, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.target.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rlm-local")
def cli() -> None:
    """Answers questions over inputs of any size with local models, offline."""


def main() -> NoReturn:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # an answer may hold what the locale cannot
            stream.reconfigure(errors="backslashreplace")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)
    sys.exit(_run())


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run() -> int:
    try:
        result = cli.main(standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Abort:
        return _interrupted()
    except KeyboardInterrupt:
        return _interrupted()
    except click.ClickException as error:
        error.show()
        return 2
    except RlmError as error:
        click.echo(f"error: {_safe(error)}", err=True)
        return 2 if isinstance(error, UserError) else 1
    except BrokenPipeError:
        # The reader of our output went away; nothing more can be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # the border: a fault of ours prints no traceback
        if os.environ.get("RLM_LOCAL_DEBUG"):
            raise
        click.echo(
            f"internal error: {type(error).__name__}: {_safe(error)}\n"
            "this is a fault of rlm_local; RLM_LOCAL_DEBUG=1 shows where",
            err=True,
        )
        return 1


def _safe(error: BaseException) -> str:
    """The message without what could move the cursor: servers and cells have a say in it."""
    from rlm_local.trace.printable import printable

    return printable(str(error))


def _interrupted() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # everything is stopped; only the exit is left
    click.echo("interrupted", err=True)
    return 130
