"""Questions that people wrote over several documents: HotpotQA, and RULER's qa_1 and qa_2.

`multihop` asks HotpotQA's questions over their own ten paragraphs and as many others as the length
or `documents=N` wants, up to all 66,581, and scores as HotpotQA does. `qa_1` and `qa_2` are RULER's
tasks over SQuAD and HotpotQA, with RULER's wording and score.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from math import log

from benchmarks.tasks.documents import (
    CHARS_PER_TOKEN,
    LAYOUTS,
    Document,
    HotpotQuestion,
    choose,
    hotpot,
    lay_out,
    squad,
)
from benchmarks.tasks.task import Context, Family, Request, Task

__all__ = ["FAMILIES"]

_QUESTION = (
    "Answer the question based on the given documents. Only give me the answer and do not output "
    "any other words.\n\nQuestion: {}"
)
_SQUAD_CHARS = 4.69
"""Characters per token of Qwen's tokenizer over SQuAD, measured."""
_TOKENS_PER_DOCUMENT = 134
"""The mean over HotpotQA's documents, measured: 8.94M over 66,581."""
_QUESTIONS = 10
_SHARE = 20
"""One question at most for so many documents, so that most are no question's own."""
_LAYOUT = {"layout": "text (RULER's, default), jsonl or folder"}


def _multihop(request: Request) -> Iterator[Task]:
    questions, pool = hotpot(request.data.find("ruler"))
    layout = request.option("layout", "text", LAYOUTS)
    n_documents = request.number("documents", 0) if "documents" in request.options else None
    n_chars = None if n_documents else round(request.tokens * CHARS_PER_TOKEN)
    generator = random.Random(f"multihop {request.seed}")
    room = n_documents or request.tokens // _TOKENS_PER_DOCUMENT
    n_questions = max(1, min(request.questions or _QUESTIONS, room // _SHARE))
    asked = generator.sample(questions, len(questions))[:n_questions]
    own = [document for question in asked for document in question.own]
    picked = choose(own, [pool], generator=generator, n_documents=n_documents, n_chars=n_chars)
    key = f"multihop-{len(picked)}-{request.seed}-{layout}"
    if len(picked) < len(pool):
        key += f"-q{len(asked)}"
    context = lay_out(key, picked, layout)
    tokens = n_documents * _TOKENS_PER_DOCUMENT if n_documents else request.tokens
    for number, question in enumerate(asked):
        yield _hotpot_task(context, question, f"{key}-{number}", seed=request.seed, tokens=tokens)


def _hotpot_task(
    context: Context, question: HotpotQuestion, name: str, *, seed: int, tokens: int
) -> Task:
    return Task(
        name=name,
        family="multihop",
        kind=question.kind,
        seed=seed,
        tokens=tokens,
        context=context,
        question=question.text,
        truth=(question.answer,),
        scorer="exact_match",
        also=("f1",),
        guess="yes" if _is_yes_no(question.text) else "",
        shortcut=partial(_nearest_title, question.text),
        facts={"gold titles": list(question.gold)},
    )


def _is_yes_no(question: str) -> bool:
    first = question.split(maxsplit=1)[0].lower() if question.strip() else ""
    return first in {"are", "is", "was", "were", "do", "does", "did", "has", "have", "can", "could"}


def _nearest_title(question: str, text: str) -> str:
    """The title of the document that shares the rarest words with the question."""
    if _is_yes_no(question):
        return "yes"
    wanted = set(_words(question))
    documents = [part.split("\n", 1)[-1] for part in re.split(r"(?:^|\n\n)Document ", text)]
    held = [wanted.intersection(_words(document)) for document in documents]
    seen = Counter(word for words in held for word in words)
    weights = {word: log(len(documents) / seen[word]) for word in seen}
    best = max(range(len(documents)), key=lambda n: sum(weights[word] for word in held[n]))
    return documents[best].split("\n", 1)[0]


def _words(text: str) -> list[str]:
    return re.findall(r"\w{3,}", text.lower())


def _qa_2(request: Request) -> Iterator[Task]:
    questions, pool = hotpot(request.data.find("ruler"))
    generator = random.Random(f"qa_2 {request.tokens} {request.seed}")
    question = generator.choice(questions)
    n_chars = round(request.tokens * CHARS_PER_TOKEN)
    picked = choose(question.own, [pool], generator=generator, n_chars=n_chars)
    yield _ruler_task("qa_2", request, picked, question.text, truth=(question.answer,))


def _qa_1(request: Request) -> Iterator[Task]:
    archive = request.data.find("ruler")
    questions, pool = squad(archive)
    generator = random.Random(f"qa_1 {request.tokens} {request.seed}")
    question = generator.choice(questions)
    more = [pool] if request.tokens < 150_000 else [pool, hotpot(archive)[1]]
    picked = choose(
        [question.own],
        [question.near, *more],
        generator=generator,
        n_chars=round(request.tokens * (_SQUAD_CHARS if len(more) == 1 else CHARS_PER_TOKEN)),
    )
    yield _ruler_task("qa_1", request, picked, question.text, truth=question.answers)


def _ruler_task(
    family: str, request: Request, picked: list[Document], question: str, *, truth: tuple[str, ...]
) -> Task:
    layout = request.option("layout", "text", LAYOUTS)
    context = lay_out(f"{family}-{request.tokens}-{request.seed}-{layout}", picked, layout)
    return Task(
        name=context.key,
        family=family,
        kind=family,
        seed=request.seed,
        tokens=request.tokens,
        context=context,
        question=_QUESTION.format(question),
        truth=truth,
        scorer="string_match_part",
        also=("exact_match", "f1"),
        guess="yes" if _is_yes_no(question) else "",
        shortcut=partial(_nearest_title, question),
        facts={"documents": len(picked)},
    )


FAMILIES = (
    Family("qa_1", "SQuAD among other paragraphs", _qa_1, needs=("ruler",), options=_LAYOUT),
    Family("qa_2", "HotpotQA among other documents", _qa_2, needs=("ruler",), options=_LAYOUT),
    Family(
        "multihop",
        "HotpotQA, exact match and F1, over 100 documents to all 66,581",
        _multihop,
        needs=("ruler",),
        options={"documents": "how many, instead of the length", **_LAYOUT},
        lengths="8K-8.9M",
    ),
)
