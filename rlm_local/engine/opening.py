"""How a run's conversation opens: system text, worked examples, what is known, the question.

What is the same for every question comes first, so that the server's prefix cache holds it: system
text, the text's own facts, the examples of a kind of question, then what was found, then the
question. Decides nothing after the first message.
"""

from dataclasses import dataclass

from rlm_local.engine.example_bank import Example, Picked, pick
from rlm_local.engine.look import Look
from rlm_local.engine.prompts import Profile, RunFacts, first_message, say
from rlm_local.interfaces import Context
from rlm_local.types import Message

__all__ = ["Opening", "make_opening"]


@dataclass(frozen=True, slots=True)
class Opening:
    """The messages a run starts with.

    Attributes:
        before: system text, and worked examples that stand as earlier turns.
        first: what is known of the text, examples of the question's kind, the question.
        told: `first` without examples: what an answer may be taken from.
        examples: all worked examples as one text, to tell an answer that was copied from them.
        picked: which examples of the bank; None where there was no look.
    """

    before: tuple[Message, ...]
    first: Message
    told: str
    examples: str
    picked: Picked | None = None


def make_opening(
    profile: Profile, context: Context, facts: RunFacts, look: Look | None = None
) -> Opening:
    """The opening for a question: with a look by its kind, without one as the profile has it.

    Where looking comes first, the profile's examples of looking stand as earlier turns; else
    examples of the bank stand in the first message, and nothing but the system text before it.
    """
    picked = pick(facts.question, look) if look else None
    told = first_message(context, facts, look, profile=profile)
    if picked is None or not picked.examples:
        return Opening(profile.opening, told, told.content, profile.example_text, picked)
    blocks = tuple(
        _block(example, profile.fence, is_same=picked.coverage == "shown" and number == 0)
        for number, example in enumerate(picked.examples)
    )
    return Opening(
        before=(Message("system", profile.system),),
        first=first_message(context, facts, look, blocks, profile=profile),
        told=told.content,
        examples="\n\n".join(blocks),
        picked=picked,
    )


def _block(example: Example, fence: str, *, is_same: bool) -> str:
    return say(
        "example-same-kind" if is_same else "example",
        found=say("found", passages=example.found) + "\n" if example.found else "",
        question=example.question,
        fence=fence,
        code=example.code,
    )
