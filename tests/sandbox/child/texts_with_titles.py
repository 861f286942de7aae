"""A small collection of titled texts, in the layouts that contexts come in; and who reads them."""

import json
from collections.abc import Callable, Iterable

from rlm_local.sandbox.child.documents import Documents
from rlm_local.sandbox.child.failures import SubcallFailure

ARTICLES = (
    ("Brenna Ferry", "The Brenna Ferry crosses the strait twice a day. Its captain is Ole Marsk."),
    ("Ole Marsk", "Ole Marsk (born 1961) is a Danish seaman. He grew up in the village of Skell."),
    ("Skell", "Skell is a village of ninety houses, known for its rope works."),
    ("Tarn Ferry", "The Tarn Ferry is a cable ferry on the river Tarn, opened in 1902."),
    ("Harbour seal", "The harbour seal rests on sand banks and eats fish."),
    ("Lantern (play)", "Lantern is a play in three acts about a keeper of lights."),
)


def numbered() -> str:
    """Under headings with a number, the title in a line of its own."""
    parts = (f"Document {n}:\n{title}\n{text}" for n, (title, text) in enumerate(ARTICLES, 1))
    return "\n\n".join(parts)


def in_brackets() -> str:
    """Under headings that hold the title in brackets."""
    parts = (
        f"Document [{n}](Title: {title}) {text}" for n, (title, text) in enumerate(ARTICLES, 1)
    )
    return "\n".join(parts)


def named() -> str:
    """Each under a line `Title: ...`."""
    return "\n\n".join(f"Title: {title}\n{text}" for title, text in ARTICLES)


def rows() -> str:
    """Rows of JSON."""
    return "".join(
        json.dumps({"id": n, "title": title, "text": text}) + "\n"
        for n, (title, text) in enumerate(ARTICLES, 1)
    )


def as_documents() -> tuple[str, Documents]:
    """Documents with headers between them, named like files; the context and they."""
    context, spans = "", []
    for number, (title, text) in enumerate(ARTICLES, 1):
        name = f"{number:03d}-{title.lower().replace(' ', '-')}.txt"
        context += f"=== {name} ===\n"
        spans.append((name, len(context), len(context) + len(text)))
        context += f"{text}\n"
    return context, Documents.of(context, spans)


class Reader:
    """A worker that answers from a function of the prompt, and keeps what it was asked."""

    def __init__(self, reply: Callable[[str], object] | str) -> None:
        self.prompts: list[str] = []
        self.choices: list[tuple[str, ...] | None] = []
        self._reply = reply

    def llm_query_batched(
        self,
        prompts: Iterable[object],
        *,
        choices: Iterable[object] | None = None,
        max_tokens: int | None = None,
    ) -> list[object]:
        asked = [str(prompt) for prompt in prompts]
        self.prompts += asked
        self.choices.append(None if choices is None else tuple(map(str, choices)))
        return [self._reply if isinstance(self._reply, str) else self._reply(p) for p in asked]


FAILED = SubcallFailure("no luck")
