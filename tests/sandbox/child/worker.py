"""A worker for operators that answers from functions, and keeps what it was asked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rlm_local.sandbox.child.asking import Scored, Worker
from rlm_local.sandbox.child.documents import as_text
from rlm_local.sandbox.child.failures import SubcallFailure

__all__ = ["Asked", "FunctionWorker"]


@dataclass(frozen=True)
class Asked:
    """One batch."""

    prompts: list[str]
    choices: list[str] = field(default_factory=list)
    system: str | None = None
    shots: list[tuple[str, str]] = field(default_factory=list)
    type: object = None
    schema: object = None
    regex: object = None


Scores = Callable[[str], Mapping[str, float] | str | None]


@dataclass
class FunctionWorker:
    """`reply` answers prompts; `scores` gives choices their log-probabilities, or names one.

    None is a failure.
    """

    reply: Callable[[str], object] = lambda prompt: prompt
    scores: Scores = lambda prompt: None
    asked: list[Asked] = field(default_factory=list)

    def llm_query_batched(
        self,
        prompts: Iterable[object],
        *,
        type: object = None,  # noqa: A002
        choices: Iterable[object] | None = None,
        regex: object = None,
        schema: object = None,
        max_tokens: int | None = None,
    ) -> list[object]:
        """One value a prompt."""
        texts = [as_text(prompt) for prompt in prompts]
        named = [str(choice) for choice in choices or ()]
        self.asked.append(Asked(texts, named, type=type, schema=schema, regex=regex))
        replies = [self.reply(text) for text in texts]
        return [SubcallFailure("no luck") if reply is None else reply for reply in replies]

    def choose_batched(
        self,
        prompts: Sequence[str],
        choices: Sequence[str],
        *,
        system: str | None = None,
        shots: Sequence[tuple[str, str]] = (),
    ) -> list[object]:
        """A choice a prompt."""
        self.asked.append(Asked(list(prompts), list(choices), system, list(shots)))
        return [self._chosen(prompt) for prompt in prompts]

    def _chosen(self, prompt: str) -> object:
        known = self.scores(prompt)
        if known is None:
            return SubcallFailure("no luck")
        if isinstance(known, str):
            return Scored(known, {})
        return Scored(max(known, key=lambda name: known[name]), dict(known))


_worker: type[Worker] = FunctionWorker
