"""Commands that are part of the contract and not built yet: each says so and exits with 2."""

import click

from rlm_local.errors import UserError

__all__ = ["chat", "serve"]

_SETTINGS = {"ignore_unknown_options": True, "allow_extra_args": True}


def _not_yet(name: str, instead: str) -> click.Command:
    @click.command(name, context_settings=_SETTINGS, help=f"Not yet: {instead}")
    def command() -> None:
        raise UserError(f"`rlm-local {name}` does not exist yet; {instead}")

    return command


serve = _not_yet("serve", "use `rlm-local ask` or the Python class rlm_local.RLM")
chat = _not_yet("chat", "use `rlm-local ask`, one question at a time")
