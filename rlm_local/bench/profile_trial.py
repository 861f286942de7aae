"""Which profile suits a root: reply styles, each with and without a first look, on small tasks.

Every candidate answers the same tasks. Writes no file; `as_yaml` gives what belongs in models.yaml.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import yaml

from rlm_local.bench.small_tasks import SmallTask
from rlm_local.bench.target import Change, Target, TrialRLM
from rlm_local.engine.prompts import load_profile
from rlm_local.errors import RunError
from rlm_local.registry import ProfileSpec
from rlm_local.session.models import OpenModels
from rlm_local.session.rlm import RLM, Progress
from rlm_local.session.settings import Settings
from rlm_local.types import Answer, ReplyStyle

__all__ = [
    "STYLES",
    "Candidate",
    "Trial",
    "as_yaml",
    "candidates",
    "recommended",
    "try_candidate",
]

STYLES: tuple[ReplyStyle, ...] = ("prefill", "fence", "json")
_FENCES: dict[ReplyStyle, str] = {"prefill": "python", "fence": "repl"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A profile to try, by a name for people."""

    name: str
    spec: ProfileSpec


@dataclass(frozen=True, slots=True)
class Trial:
    """What a candidate did. `seconds` is wall time for all its tasks."""

    candidate: Candidate
    right: tuple[bool, ...]
    turns: float
    tokens: int
    forced: int
    failures: tuple[str, ...]
    seconds: float

    @property
    def n_right(self) -> int:
        """Tasks answered rightly."""
        return sum(self.right)

    @property
    def came_to_nothing(self) -> bool:
        """Whether every task ended in a failure."""
        return len(self.failures) >= len(self.right)


def candidates(
    bases: Iterable[tuple[str, ProfileSpec]],
    styles: Sequence[ReplyStyle] = STYLES,
    looks: Sequence[bool] = (False, True),
) -> list[Candidate]:
    """Every base in every style, without and with a first look."""
    return [
        Candidate(
            f"{base} {style}{' look' if look else ''}",
            spec.model_copy(
                update={
                    "style": style,
                    "fence": _FENCES.get(style, spec.fence),
                    "first_look": look,
                }
            ),
        )
        for base, spec in bases
        for style in styles
        for look in looks
    ]


def try_candidate(
    target: Target,
    candidate: Candidate,
    tasks: Sequence[SmallTask],
    *,
    at_once: int,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Trial:
    """Ask the tasks under the candidate's profile; a failure is a wrong answer."""
    asked = replace(settings or Settings(), mode="rlm")
    with TrialRLM(target, _with_profile(candidate), asked, progress) as rlm:
        return asyncio.run(_tried(rlm, candidate, tasks, at_once))


async def _tried(rlm: RLM, candidate: Candidate, tasks: Sequence[SmallTask], at_once: int) -> Trial:
    loop, places = asyncio.get_running_loop(), asyncio.Semaphore(at_once)
    started_s = loop.time()

    async def ask(task: SmallTask) -> Answer | RunError:
        async with places:
            try:
                return await rlm.acomplete(task.text, task.question)
            except RunError as error:
                return error

    replies = await asyncio.gather(*map(ask, tasks))
    answers = [reply for reply in replies if isinstance(reply, Answer)]
    usages = [answer.usage.root + answer.usage.worker for answer in answers]
    failures = [reply.error for reply in answers if reply.error]
    failures += [str(reply) for reply in replies if isinstance(reply, RunError)]
    return Trial(
        candidate,
        tuple(
            isinstance(reply, Answer) and task.is_right(reply.text)
            for task, reply in zip(tasks, replies, strict=True)
        ),
        sum(answer.turns for answer in answers) / max(1, len(answers)),
        sum(usage.total_tokens for usage in usages),
        sum(answer.stop_reason == "forced" for answer in answers),
        tuple(failures),
        loop.time() - started_s,
    )


def _with_profile(candidate: Candidate) -> Change:
    def change(opened: OpenModels) -> OpenModels:
        return replace(opened, profile=load_profile(candidate.name, candidate.spec))

    return change


def recommended(trials: Sequence[Trial]) -> Trial:
    """The one with most right answers; among equals the one that needed the fewest tokens."""
    return min(trials, key=lambda trial: (-trial.n_right, trial.tokens))


def as_yaml(trial: Trial, model: str) -> str:
    """The entries for models.yaml: the profile, and the model's use of it."""
    name = "".join(char if char.isalnum() or char in "-_." else "-" for char in model)
    spec = trial.candidate.spec.model_dump(mode="json", exclude_defaults=True)
    entries = {
        "profiles": {f"{name}-tried": spec},
        "models": {name: {"root": {"profile": f"{name}-tried"}}},
    }
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)
