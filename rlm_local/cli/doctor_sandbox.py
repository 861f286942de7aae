"""How `rlm-local doctor` shows the sandbox: a check, and a line for each property.

Starts one confined REPL to ask it; judges nothing itself.
"""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rlm_local.cli.doctor_packages import Check, Level
from rlm_local.types import Json

if TYPE_CHECKING:
    from rlm_local.sandbox.properties import SandboxReport

__all__ = ["ask_a_repl", "sandbox_check", "sandbox_json", "sandbox_lines"]

_LEVELS: dict[str, Level] = {"full": "ok", "standard": "ok", "sealed": "warn"}
_INDENT = " " * 6


def ask_a_repl() -> "SandboxReport":
    """The report of a REPL started for it under policy `auto`."""
    from rlm_local.sandbox.doctor import sandbox_report

    return asyncio.run(sandbox_report())


def sandbox_check(report: "SandboxReport") -> Check:
    """The level in one line."""
    refusal = report.refusal("auto")
    if refusal is not None:
        return Check(
            "sandbox",
            "fail",
            refusal,
            'docs/sandbox.md, "Hosts that lack a layer"; `--sandbox off` runs a model\'s code '
            "unconfined, as you",
        )
    detail = f"{report.headline}; asked a REPL that was started for it"
    if report.level == "sealed":
        detail += "; only pre-loaded modules can be imported in cells"
    return Check("sandbox", _LEVELS[report.level], detail)


def sandbox_lines(report: "SandboxReport") -> Iterator[str]:
    """One line a property; for those that are not active what follows, why, and what mends it."""
    for row in report.properties:
        if row.state == "active":
            yield f"{_INDENT}{row.name:<15}{row.meaning} [{row.by}]"
            continue
        yield f"{_INDENT}{row.name:<15}{row.state.upper()}: {row.effect}"
        yield f"{_INDENT}{'':<15}because {row.cause}"
        yield f"{_INDENT}{'':<15}fix: {row.fix}"


def sandbox_json(report: "SandboxReport") -> dict[str, Json]:
    """The whole report; its keys are a contract."""
    properties: dict[str, Json] = {
        row.name: {
            "state": row.state,
            "required": row.required,
            "layers": list(row.layers),
            "meaning": row.meaning,
            "effect": row.effect,
            "cause": row.cause,
            "fix": row.fix,
        }
        for row in report.properties
    }
    return {
        "policy": report.policy,
        "level": report.level,
        "reason": report.reason,
        "would_run": {
            "auto": report.refusal("auto") is None,
            "require-full": report.refusal("require-full") is None,
        },
        "properties": properties,
        "layers": dict(report.layers),
    }
