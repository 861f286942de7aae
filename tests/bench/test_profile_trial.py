import asyncio
from pathlib import Path

import pytest
import yaml

from rlm_local.bench.profile_trial import (
    STYLES,
    Candidate,
    Trial,
    as_yaml,
    candidates,
    recommended,
    try_candidate,
)
from rlm_local.bench.small_tasks import SmallTask
from rlm_local.bench.target import Target
from rlm_local.registry import ProfileSpec, load_registry
from tests.fakes.openai_process import cell
from tests.fakes.openai_server import OpenAIServer

CODER = load_registry().profile("coder")
TEXT = "\n".join(f"line {n} about nothing" for n in range(99)) + "\nthe count is 41"
TASKS = [
    SmallTask("count", TEXT, "What is the count?", "41"),
    SmallTask("count", TEXT, "And the other?", "7"),
]


def test_every_base_is_tried_in_every_style_with_and_without_a_look() -> None:
    found = candidates([("coder", CODER)])
    assert len(found) == 2 * len(STYLES)
    assert {(one.spec.style, one.spec.first_look) for one in found} == {
        (style, look) for style in STYLES for look in (False, True)
    }
    assert {one.spec.fence for one in found if one.spec.style == "prefill"} == {"python"}
    assert len({one.name for one in found}) == len(found)


async def test_a_candidate_answers_all_tasks(home_here: Path, server: OpenAIServer) -> None:
    server.options.replies = [cell("print(context[-20:])\nFINAL(context.split()[-1])")]
    (candidate,) = candidates([("coder", CODER)], ["fence"], [False])
    target = Target(base_url=server.base_url, root="root")
    trial = await asyncio.to_thread(try_candidate, target, candidate, TASKS, at_once=2)
    assert trial.right == (True, False)
    assert (trial.n_right, trial.turns, trial.forced, trial.failures) == (1, 1.0, 0, ())
    assert trial.tokens > 0


async def test_a_task_that_fails_is_wrong_with_its_reason(
    home_here: Path, server: OpenAIServer
) -> None:
    server.options.fault = "400"
    (candidate,) = candidates([("coder", CODER)], ["fence"], [False])
    target = Target(base_url=server.base_url, root="root")
    trial = await asyncio.to_thread(try_candidate, target, candidate, TASKS, at_once=2)
    assert trial.right == (False, False)
    assert len(trial.failures) == 2


def _trial(name: str, right: int, tokens: int) -> Trial:
    spec = ProfileSpec(style="fence", system="coder", first_look=True)
    flags = tuple(n < right for n in range(6))
    return Trial(Candidate(name, spec), flags, 1.0, tokens, 0, (), 1.0)


def test_most_right_answers_win_then_the_fewest_tokens() -> None:
    trials = [_trial("a", 4, 900), _trial("b", 5, 5_000), _trial("c", 5, 4_000)]
    assert recommended(trials).candidate.name == "c"


@pytest.mark.parametrize("model", ["my-model", "owner/My Model:7b"])
def test_what_is_recommended_can_stand_in_models_yaml(model: str) -> None:
    entries = yaml.safe_load(as_yaml(_trial("a", 1, 1), model))
    ((name, spec),) = entries["profiles"].items()
    assert ProfileSpec.model_validate(spec).first_look
    ((_, use),) = entries["models"].items()
    assert use == {"root": {"profile": name}}
    assert not set(name) & set("/ :")
