"""Goes on with a killed run: reads its trace, and sets a session up as it was then."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlm_local.engine.recording import Recording
from rlm_local.errors import UserError
from rlm_local.session.settings import Settings
from rlm_local.trace.jsonl import read_trace
from rlm_local.types import Limits

__all__ = ["load_recording", "resumed"]


def load_recording(path: Path) -> Recording:
    """The run of a trace that did not end, ready to go on.

    Where that run was itself resumed from another trace and killed again, what only the other
    has is taken from there. A last line that the kill cut off is left out.

    Raises:
        UserError: the trace cannot be read, holds no run, or its run has an answer.
    """
    recording = _load(path.resolve(), frozenset())
    recording.check_unfinished()
    return recording


def resumed(settings: Settings, recording: Recording, *, limits: Mapping[str, Any]) -> Settings:
    """Settings under which the recorded run takes the same course.

    Mode, agreement, seed, profile and limits are the run's. Tokens and sub-calls that it spent
    count; `max_seconds` begins anew.

    Args:
        settings: all others.
        recording: the run.
        limits: fields of `Limits` that were given for this time.

    Raises:
        UserError: the new trace would be written into the old one.
    """
    start = recording.start
    if isinstance(settings.trace, Path) and str(settings.trace.resolve()) == recording.name:
        raise UserError(f"{settings.trace} is the trace to resume; write the new one elsewhere")
    known = {field.name for field in dataclasses.fields(Limits)}
    then: dict[str, Any] = {name: n for name, n in start.limits.items() if name in known}
    return dataclasses.replace(
        settings,
        limits=Limits(**{**then, **limits}),
        mode="direct" if start.mode == "direct" else "rlm",
        seed=start.seed,
        agreement=start.agreement,
        profile=start.profile,
    )


def _load(path: Path, seen: frozenset[Path]) -> Recording:
    with read_trace(path) as events:
        recording = Recording.of(str(path), events)
    earlier = recording.start.resumed_from
    if earlier is None:
        return recording
    older = Path(earlier)
    if older in seen or not older.is_file():
        return recording
    return recording.after(_load(older, seen | {path}))
