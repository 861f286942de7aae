"""What a caller hands over as context and question, named and told apart. Opens nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from rlm_local.context.sources import ContextInput, StreamInput, TextInput
from rlm_local.errors import UserError

__all__ = ["ContextLike", "as_inputs", "question_of"]

ContextLike: TypeAlias = str | Path | ContextInput | Sequence[str | Path | ContextInput]
"""A `str` is text, a `Path` is a file or a folder; a list holds several documents."""


def as_inputs(context: ContextLike) -> list[ContextInput]:
    """Name every text and path, so that the context knows them apart."""
    if isinstance(context, str | Path | TextInput | StreamInput):
        context = [context]
    texts = sum(isinstance(item, str) for item in context)
    named: list[ContextInput] = []
    for number, item in enumerate(context, 1):
        if isinstance(item, str):
            named.append(TextInput("text" if texts == 1 else f"text {number}", item))
        else:
            named.append(item)
    return named


def question_of(inputs: Sequence[ContextInput], question: str | None) -> str:
    """The question asked, or the last paragraph of the one text given.

    Raises:
        UserError: the question is empty, or absent with more than one text.
    """
    if question is not None:
        if not question.strip():
            raise UserError("the question is empty; say what you want to know")
        return question
    if len(inputs) != 1 or not isinstance(inputs[0], TextInput):
        raise UserError("no question: complete(context, question) needs one unless given one text")
    paragraphs = [part.strip() for part in inputs[0].text.split("\n\n") if part.strip()]
    return paragraphs[-1][-2000:] if paragraphs else "Answer what the text asks."
