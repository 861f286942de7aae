"""How well a worker labels, by the number of lines in one sub-call and by label.

A script stands in for the root: its one cell labels all lines in the REPL, with `classify` for one
line a call, as a run does, and with labels by line number, under a schema, for more. Tunes nothing.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rlm_local.bench.labelled_lines import LabelledLine, labels_of
from rlm_local.bench.target import Change, Target, TrialRLM
from rlm_local.engine.prompts import load_profile
from rlm_local.errors import ModelError
from rlm_local.registry import load_registry
from rlm_local.serving.scripted_model import ScriptedModel
from rlm_local.session.models import OpenModels
from rlm_local.session.rlm import Progress
from rlm_local.session.settings import Settings

__all__ = ["SizeResult", "labelling_cell", "try_worker"]

_PROFILE = "coder"
_REPLIES = 4
"""The cell once, and again where the engine samples a second time."""

_ONE_A_CALL = """
import json
labels = classify(context.split("\\n"), {labels}, instruction={instruction})
FINAL(json.dumps([str(label) if label else None for label in labels]))
"""
_SEVERAL_A_CALL = """
import json
lines, labels, size = context.split("\\n"), {labels}, {size}
task = {instruction} + "\\nLabels: " + ", ".join(labels)
def ask_groups(groups):
    keys = [str(at) for at in range(1, len(groups[0]) + 1)] if groups else []
    schema = {{
        "type": "object",
        "properties": {{key: {{"enum": labels}} for key in keys}},
        "required": keys,
        "additionalProperties": False,
    }}
    prompts = [
        task + "\\nReply with the label of each numbered line, as JSON.\\n\\n"
        + "\\n".join(f"{{key}}. {{line}}" for key, line in zip(keys, group))
        for group in groups
    ]
    return llm_query_batched(prompts, schema=schema) if prompts else []
groups = [lines[at:at + size] for at in range(0, len(lines), size)]
whole = [group for group in groups if len(group) == size]
replies = [*ask_groups(whole), *ask_groups(groups[len(whole):])]
found = []
for group, reply in zip(groups, replies):
    found += [reply[str(at)] if reply else None for at in range(1, len(group) + 1)]
FINAL(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class SizeResult:
    """Labels given with `size` lines in one sub-call.

    Attributes:
        given: the true label and the one given (None: the sub-call failed), one a line.
        seconds: wall time for all lines.
        subcalls: how many were made, those that invented examples included.
    """

    size: int
    given: tuple[tuple[str, str | None], ...]
    seconds: float
    subcalls: int
    prompt_tokens: int
    cached_tokens: int

    @property
    def right(self) -> int:
        """Lines with their true label."""
        return sum(true == said for true, said in self.given)

    @property
    def failed(self) -> int:
        """Lines without a label."""
        return sum(said is None for _, said in self.given)

    def by_label(self) -> dict[str, tuple[int, int]]:
        """For each true label: how many lines were right, of how many."""
        total = Counter(true for true, _ in self.given)
        right = Counter(true for true, said in self.given if true == said)
        return {label: (right[label], total[label]) for label in total}

    def mistaken(self) -> list[tuple[str, str | None, int]]:
        """True label, label given, how often; the commonest first."""
        wrong = Counter((true, said) for true, said in self.given if true != said)
        return [(true, said, n) for (true, said), n in wrong.most_common()]


def labelling_cell(labels: Sequence[str], instruction: str, size: int) -> str:
    """The code that labels every line of the context, `size` lines a sub-call."""
    template = _ONE_A_CALL if size == 1 else _SEVERAL_A_CALL
    return template.format(
        labels=json.dumps(list(labels)), instruction=json.dumps(instruction), size=size
    ).strip()


def try_worker(
    target: Target,
    lines: Sequence[LabelledLine],
    *,
    size: int = 1,
    instruction: str = "Which label fits the text best?",
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> SizeResult:
    """Have the worker label the lines.

    Raises:
        ModelError: the run ended without labels; says why.
    """
    cell = labelling_cell(labels_of(lines), instruction, size)
    asked = replace(settings or Settings(), mode="rlm")
    with TrialRLM(target, _with_root(cell), asked, progress) as rlm:
        answer = rlm.complete("\n".join(line.text for line in lines), "Label every line.")
    try:
        labels = json.loads(answer.text)
    except ValueError:
        labels = None
    if not isinstance(labels, list) or len(labels) != len(lines):
        reason = answer.error or f"it said {answer.text[:200]!r}"
        raise ModelError(f"the worker's labels did not come back ({answer.stop_reason}): {reason}")
    usage = answer.usage.worker
    return SizeResult(
        size,
        tuple((line.label, said) for line, said in zip(lines, labels, strict=True)),
        answer.seconds,
        answer.subcalls,
        usage.prompt_tokens,
        usage.cached_tokens,
    )


def _with_root(cell: str) -> Change:
    def change(opened: OpenModels) -> OpenModels:
        script = ScriptedModel([f"```repl\n{cell}\n```"] * _REPLIES, supports_prefill=False)
        profile = load_profile(_PROFILE, load_registry().profile(_PROFILE))
        return replace(opened, models=replace(opened.models, root=script), profile=profile)

    return change
