"""The worker reads passages and answers a question from them, or says that they do not tell.

Finds nothing: see `look_up`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from rlm_local.sandbox.child.failures import SubcallFailure
from rlm_local.sandbox.child.question_words import is_yes_no
from rlm_local.sandbox.child.searching import excerpt

__all__ = ["Reading", "TextWorker", "read_passages"]

_ANSWER_TOKENS = 48
_FACTS_TOKENS = 220
_OVERHEAD_CHARS = 900
_LEAST_PASSAGE_CHARS = 200
_MOST_PASSAGE_CHARS = 1_800
_INSTRUCTION = (
    "Answer the question from the passages. Give the answer alone: the shortest words of the"
    " passages that answer it, a name, a date, a number, not a sentence. If the passages do not"
    " tell, reply: unknown"
)
_FACTS_INSTRUCTION = (
    "Answer the question from the passages; some of them do not matter. First write the facts that"
    " matter, one short line each. Then write a last line `Answer:` with the answer alone: the"
    " shortest words of the passages that answer it, a name, a date, a number, not a sentence. If"
    " the passages do not tell, write `Answer: unknown`."
)
_YES_NO_INSTRUCTION = (
    "Answer the question from the passages with yes or no. If they do not tell, reply: unknown"
)
_UNKNOWN = re.compile(
    r"(?:unknown|none|n/a|not (?:mentioned|given|stated|specified|known|provided|found)|no answer"
    r"|the (?:passages?|text) do(?:es)? not|it is not|cannot be determined|there is no)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_LEAD_IN = re.compile(
    r"(?:(?:the )?(?:final )?answer(?: is)?\s*:|(?:the )?answer is\s)\s*", re.IGNORECASE
)


class TextWorker(Protocol):
    """Asks the worker model; implemented by `toolbox.Toolbox`."""

    def llm_query_batched(
        self,
        prompts: Iterable[object],
        *,
        choices: Iterable[object] | None = None,
        max_tokens: int | None = None,
    ) -> list[object]:
        """One value a prompt, in order."""
        ...


class Reading(NamedTuple):
    """What the worker read. `answer` is `None` where it could not tell; `failure` says why else."""

    answer: str | None
    failure: str = ""


def read_passages(
    worker: TextWorker,
    question: str,
    passages: Sequence[tuple[str, str]],
    *,
    prompt_chars: int,
    facts_first: bool = False,
) -> Reading:
    """Ask the worker once.

    Args:
        worker: who reads.
        question: what is asked.
        passages: name and text of each, the best first; long ones are cut to what fits.
        prompt_chars: what fits in a prompt of the worker.
        facts_first: let it write down what matters before it answers; for five passages or more.
    """
    typed = is_yes_no(question)
    head = _YES_NO_INSTRUCTION if typed else _FACTS_INSTRUCTION if facts_first else _INSTRUCTION
    shown = _fitted(question, passages, prompt_chars)
    closing = "Facts:" if facts_first and not typed else "Answer:"
    prompt = f"{head}\n\n{shown}\n\nQuestion: {question}\n{closing}"
    choices = ("yes", "no", "unknown") if typed else None
    length = None if typed else _FACTS_TOKENS if facts_first else _ANSWER_TOKENS
    (reply,) = worker.llm_query_batched([prompt], choices=choices, max_tokens=length)
    if isinstance(reply, SubcallFailure):
        return Reading(None, reply.reason)
    return Reading(_answer_in(str(reply), facts_first=facts_first and not typed))


def _fitted(question: str, passages: Sequence[tuple[str, str]], prompt_chars: int) -> str:
    room = max(0, prompt_chars - len(question) - _OVERHEAD_CHARS) // max(1, len(passages))
    room = max(_LEAST_PASSAGE_CHARS, min(room, _MOST_PASSAGE_CHARS))
    words = re.findall(r"\w+", question)
    parts = [
        f"[{number}] {name}\n{excerpt(text, words, room)}"
        for number, (name, text) in enumerate(passages, 1)
    ]
    return "\n\n".join(parts)


def _answer_in(reply: str, *, facts_first: bool) -> str | None:
    if facts_first:
        _, found, after = reply.rpartition("Answer:")
        if not found:
            return None
        reply = after
    line = next((line.strip() for line in reply.strip().splitlines() if line.strip()), "")
    answer = _LEAD_IN.sub("", line, count=1).strip(" \"'`*“”")
    if len(answer) > 2 and answer.endswith(".") and answer[-3] not in " .":
        answer = answer[:-1]
    return None if not answer or _UNKNOWN.fullmatch(answer) else answer
