"""Collections of documents to ask about, chosen to a length and laid out in one of three ways.

`text` is RULER's layout, `jsonl` one object a line, `folder` one file a document. Knows no
questions.
"""

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from benchmarks.tasks.natural import json_object, json_rows
from benchmarks.tasks.task import Context, ContextFile

__all__ = [
    "CHARS_PER_TOKEN", "LAYOUTS", "Document", "HotpotQuestion", "SquadQuestion", "choose",
    "hotpot", "lay_out", "squad",
]  # fmt: skip

LAYOUTS = ("text", "jsonl", "folder")
CHARS_PER_TOKEN = 4.07
"""Of Qwen's tokenizer over these documents, measured."""


@dataclass(frozen=True, slots=True)
class Document:
    """A title, which may be empty, and a text."""

    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.title}\n{self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class HotpotQuestion:
    """A question of HotpotQA. `own` are its ten paragraphs, `gold` the titles it needs."""

    text: str
    answer: str
    kind: str
    own: tuple[Document, ...]
    gold: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SquadQuestion:
    """A question of SQuAD that has an answer. `near` are other paragraphs of its article."""

    text: str
    answers: tuple[str, ...]
    own: Document
    near: tuple[Document, ...]


@lru_cache(maxsize=2)
def hotpot(archive: Path) -> tuple[tuple[HotpotQuestion, ...], tuple[Document, ...]]:
    """All questions, and all documents, none twice and in RULER's order."""
    questions = []
    known: dict[Document, Document] = {}
    for item in json_rows(archive, "hotpotqa.json"):
        own = [Document(title, "".join(sentences)) for title, sentences in item["context"]]
        own = [known.setdefault(document, document) for document in own]
        gold = tuple(dict.fromkeys(title for title, _ in item["supporting_facts"]))
        kind = "yes/no" if item["answer"] in {"yes", "no"} else str(item["type"])
        questions.append(HotpotQuestion(item["question"], item["answer"], kind, tuple(own), gold))
    return tuple(questions), tuple(sorted(known, key=str))


@lru_cache(maxsize=2)
def squad(archive: Path) -> tuple[tuple[SquadQuestion, ...], tuple[Document, ...]]:
    """The questions that have an answer, and all paragraphs, none twice and in RULER's order."""
    questions = []
    known: dict[Document, None] = {}
    for article in json_object(archive, "squad.json")["data"]:
        near = [Document("", paragraph["context"]) for paragraph in article["paragraphs"]]
        known.update(dict.fromkeys(near))
        for own, paragraph in zip(near, article["paragraphs"], strict=True):
            others = tuple(one for one in dict.fromkeys(near) if one != own)
            for item in paragraph["qas"]:
                if not item.get("is_impossible"):
                    answers = tuple(dict.fromkeys(one["text"] for one in item["answers"]))
                    questions.append(SquadQuestion(item["question"], answers, own, others))
    return tuple(questions), tuple(sorted(known, key=str))


def choose(
    must: Sequence[Document],
    pools: Sequence[Sequence[Document]],
    *,
    generator: random.Random,
    n_documents: int | None = None,
    n_chars: int | None = None,
) -> list[Document]:
    """The documents that must be there, and others until the number or the length is reached.

    Pools are used up one after the other, each in a random order. All is shuffled in the end, and
    the order does not depend on what had to be there.
    """
    chosen = dict.fromkeys(must)
    size = sum(_size(document) for document in chosen)
    last = random.Random(generator.random())
    for pool in pools:
        for number in generator.sample(range(len(pool)), len(pool)):
            if n_documents is not None and len(chosen) >= n_documents:
                break
            if n_chars is not None and size + _size(pool[number]) / 2 > n_chars:
                break
            if pool[number] not in chosen:
                chosen[pool[number]] = None
                size += _size(pool[number])
    order = sorted(chosen, key=str)
    last.shuffle(order)
    return order


def _size(document: Document) -> int:
    return len(str(document)) + 18  # `Document 12345:`, line ends


def lay_out(key: str, documents: Sequence[Document], layout: str) -> Context:
    """The documents as a context."""
    if layout == "folder":
        files = (
            ContextFile(f"{number:05d}-{_slug(document)}.txt", partial(_alone, document))
            for number, document in enumerate(documents, 1)
        )
        return Context(key, tuple(files))
    if layout == "jsonl":
        return Context(key, (ContextFile(f"{key}.jsonl", lambda: _json_lines(documents)),))
    return Context.of_text(key, lambda: _as_text(documents))


def _alone(document: Document) -> tuple[str]:
    return (f"{document}\n",)


def _as_text(documents: Sequence[Document]) -> Iterator[str]:
    for number, document in enumerate(documents, 1):
        yield f"{'' if number == 1 else chr(10) * 2}Document {number}:\n{document}"


def _json_lines(documents: Sequence[Document]) -> Iterator[str]:
    for number, document in enumerate(documents, 1):
        row = {"id": number, "title": document.title, "text": document.text}
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _slug(document: Document) -> str:
    words = re.findall(r"[a-z0-9]+", (document.title or document.text).lower())
    return "-".join(words)[:60].strip("-") or "document"
