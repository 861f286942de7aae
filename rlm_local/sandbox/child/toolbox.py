"""What a cell sees: `context`, `documents`, and the functions it can call.

Names that models were trained on (`context`, `llm_query`, `FINAL` ...) are put back before each
cell; the others (`chunks`, `search`, `answer` ...) are common variable names, so a cell that
assigns to one keeps its own value. How calls travel is `subcalls`' business.
"""

from collections.abc import Iterable, Sequence
from types import ModuleType

from rlm_local.sandbox.child.answers import Answers
from rlm_local.sandbox.child.arguments import MAX_PASSAGES, whole_number, worker_options
from rlm_local.sandbox.child.asking import chosen_options
from rlm_local.sandbox.child.classification import Classifier
from rlm_local.sandbox.child.code_tools import CodeTools
from rlm_local.sandbox.child.documents import Documents, as_text
from rlm_local.sandbox.child.failures import (
    ReplyTypeError,
    ReplyTypeFailure,
    SubcallError,
    SubcallFailure,
)
from rlm_local.sandbox.child.finding import (
    cut_chunks,
    find_lines,
    head_middle_tail,
    rank_passages,
)
from rlm_local.sandbox.child.hits import Hit, Hits
from rlm_local.sandbox.child.look_up import LookUps
from rlm_local.sandbox.child.operators import operator_tools
from rlm_local.sandbox.child.output import PlainText
from rlm_local.sandbox.child.records.namespace import RecordNames
from rlm_local.sandbox.child.searching import exact_lines, merged, rare_words
from rlm_local.sandbox.child.subcalls import Subcalls

__all__ = ["Toolbox"]

_VARIABLES_SHOWN = 100
_PREVIEW_CHARS = 80


class Toolbox:
    """The tools of one REPL, over one context."""

    def __init__(
        self,
        namespace: dict[str, object],
        context: str,
        documents: Documents,
        *,
        subcalls: Subcalls,
        facts: dict[str, int],
    ) -> None:
        """`facts` has `worker_prompt_chars` and `chunk_chars`."""
        self.answers = Answers(namespace)
        self._namespace = namespace
        self._context = context
        self._documents = documents
        self._subcalls = subcalls
        self._chunk_chars = facts["chunk_chars"]
        room = facts["worker_prompt_chars"]
        self.classifier = Classifier(self, room)
        self._reserved: dict[str, object] = {
            "context": context,
            "llm_query": self.llm_query,
            "llm_query_batched": self.llm_query_batched,
            "rlm_query": self.rlm_query,
            "rlm_query_batched": self.rlm_query_batched,
            "SubcallFailure": SubcallFailure,
            "SubcallError": SubcallError,
            "ReplyTypeError": ReplyTypeError,
            "SHOW_VARS": self.show_vars,
            "FINAL": self.answers.finish,
            "FINAL_VAR": self.answers.finish_with_variable,
        }
        looking = LookUps(context, documents, search=self._passages, worker=self, prompt_chars=room)
        code = CodeTools(documents)
        self._records = RecordNames(
            context,
            documents,
            labeller=self.classifier,
            look_up=lambda question: str(looking.look_up(question)),
        )
        self._replaceable: dict[str, object] = {
            **self._records.tools,
            "documents": documents,
            "final": self.answers.finish,
            "grep": self.grep,
            "search": self.search,
            "chunks": self.chunks,
            "peek": self.peek,
            **operator_tools(self, context, room, self.classifier),
            "look_up": looking.look_up,
            "definitions": code.definitions,
            "callers": code.callers,
            "subclasses": code.subclasses,
            "overrides": code.overrides,
            "defaults": code.defaults,
            "answer": {"content": "", "ready": False},
        }
        self._tools = {**self._reserved, **self._replaceable}

    def install(self, cell: int) -> None:
        """Make the namespace ready for a cell."""
        self._subcalls.cell = cell
        if self._namespace.get("context", self._context) is not self._context:
            print("[note] `context` is the whole text again; use other names for your own values")
        self._namespace.update(self._reserved)
        if not self._replaceable.keys() <= self._namespace.keys():
            for name, value in self._replaceable.items():
                self._namespace.setdefault(name, value)

    def make_mentioned(self, code: str) -> None:
        """Read the text into records for a cell that mentions them."""
        made = self._records.mentioned(code)
        self._tools.update(made)
        for name, value in made.items():
            self._namespace.setdefault(name, value)

    def after_cell(self) -> None:
        """Take the answer from the dict `answer`, where a cell left it there."""
        self.answers.read_dict()

    def variables(self) -> dict[str, object]:
        """What the cells defined: neither tools, nor modules, nor `_` and the like."""
        tool = self._tools.get
        return {
            name: value
            for name, value in list(self._namespace.items())
            # Not isinstance: it would ask a value of the cell's for its `__class__`.
            if type(name) is str
            and (tool(name) is not value or value is None)
            and name[:2] != "__"
            and name != "_"
            and not issubclass(type(value), ModuleType)
        }

    def show_vars(self) -> PlainText:
        """SHOW_VARS(): what is defined, with types and sizes."""
        defined = self.variables()
        if not defined:
            return PlainText("no variables yet")
        lines = [_describe(name, value) for name, value in list(defined.items())[:_VARIABLES_SHOWN]]
        if len(defined) > _VARIABLES_SHOWN:
            lines.append(f"... and {len(defined) - _VARIABLES_SHOWN} more")
        return PlainText("\n".join(lines))

    def llm_query(
        self,
        prompt: object,
        *,
        type: object = None,  # noqa: A002  # the word for it in a cell
        choices: Iterable[object] | None = None,
        regex: object = None,
        schema: object = None,
        max_tokens: int | None = None,
    ) -> object:
        """One reply of the worker model: text, a value of `type`, or the JSON value of `schema`.

        Raises:
            ReplyTypeError: the reply is not of the form asked for, nor when asked again. One
                that only the conversion to `type` refuses (a validator of the cell's, a day that
                no month has) is not asked again.
            SubcallError: there is no reply to make a `type` of.
        """
        is_batch = isinstance(prompt, list | tuple)
        replies = self.llm_query_batched(
            prompt if isinstance(prompt, list | tuple) else [prompt],
            type=type, choices=choices, regex=regex, schema=schema, max_tokens=max_tokens,
        )  # fmt: skip
        if is_batch:
            return replies
        reply = replies[0]
        # A falsy value in place of a bool or a number would be taken for one.
        if isinstance(reply, ReplyTypeFailure) or (
            type is not None and isinstance(reply, SubcallFailure)
        ):
            raise reply.error()
        return reply

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
        """Many prompts at once, order kept; one that failed for good is a SubcallFailure."""
        texts = _as_prompts("llm_query_batched", prompts)
        options, form = worker_options(choices, regex, schema, kind=type, max_tokens=max_tokens)
        return self._subcalls.ask_worker(texts, options, form)

    def choose_batched(
        self,
        prompts: Sequence[str],
        choices: Sequence[str],
        *,
        system: str | None = None,
        shots: Sequence[tuple[str, str]] = (),
    ) -> list[object]:
        """See `asking.Worker`: for operators; cells have `choices=`."""
        options, form = chosen_options(choices, system, shots)
        return self._subcalls.ask_worker(prompts, options, form)

    def rlm_query(self, prompt: object, context: object = None) -> object:
        """The answer of a child run: its own REPL over `context`, to the question `prompt`."""
        contexts = None if context is None else [context]
        return self._subcalls.start_children([as_text(prompt)], contexts)[0]

    def rlm_query_batched(
        self, prompts: Iterable[object], contexts: Sequence[object] | str | None = None
    ) -> list[object]:
        """Many child runs at once, order kept; one context for all, or one a question."""
        questions = _as_prompts("rlm_query_batched", prompts)
        if contexts is None:
            return self._subcalls.start_children(questions, None)
        given = [contexts] * len(questions) if isinstance(contexts, str) else list(contexts)
        if len(given) != len(questions):
            raise ValueError(f"{len(questions)} prompts but {len(given)} contexts")
        return self._subcalls.start_children(questions, given)

    def grep(
        self,
        pattern: str,
        ignore_case: object = True,
        max_hits: int = 50,
        context_chars: int = 200,
        text: object = None,
        k: object = None,
    ) -> Hits:
        """The lines of `context` (or of `text`) that match a regular expression.

        `k` is `max_hits` under the name it has in `search`: models mix the two up.
        """
        if k is not None:
            max_hits = whole_number("k", k, MAX_PASSAGES)
        if not isinstance(ignore_case, bool | int):  # grep(pattern, text), as many write it
            ignore_case, text = True, ignore_case
        within = self._context if text is None else as_text(text)
        documents = self._documents if text is None else Documents.of(within, ())
        return find_lines(
            within,
            documents,
            str(pattern),
            ignore_case=bool(ignore_case),
            max_hits=max_hits,
            context_chars=context_chars,
        )

    def search(self, query: object, k: int = 5) -> Hits:
        """The `k` places of `context` that fit best: exact names first, then passages (BM25)."""
        wanted, k = str(query), whole_number("k", k, MAX_PASSAGES)
        exact = exact_lines(self._context, self._documents, rare_words(wanted), k)
        if exact and len(wanted.split()) == 1:
            return merged(exact, (), wanted, k)  # a name that is there needs no index
        return merged(exact, self._passages(wanted, k), wanted, k)

    def _passages(self, query: str, k: int) -> Sequence[Hit]:
        if self._subcalls.mapped_start is None:
            return rank_passages(self._context, self._documents, query, k)
        found = self._subcalls.search(query, k)
        return [Hit(t, document=name, start=at, score=s) for name, at, s, t in found]

    def chunks(self, text: object = None, size: int | None = None, overlap: int = 0) -> list[str]:
        """Pieces of `text` (or `context`) that fit the worker, cut on line ends."""
        whole = self._context if text is None else as_text(text)
        return cut_chunks(whole, size or self._chunk_chars, overlap)

    def peek(self, n: int = 1000, text: object = None) -> PlainText:
        """The first, middle and last `n` characters of `context` (or of `text`)."""
        return head_middle_tail(self._context if text is None else as_text(text), n)


def _as_prompts(function: str, prompts: Iterable[object]) -> list[str]:
    if isinstance(prompts, str):
        single = function.removesuffix("_batched")
        raise TypeError(f"{function} takes a list of prompts; for one prompt call {single}")
    return [as_text(prompt) for prompt in prompts]


def _describe(name: str, value: object) -> str:
    size = f", length {len(value):,}" if hasattr(value, "__len__") else ""
    if isinstance(value, str | int | float | bool):
        size += f" = {value[:_PREVIEW_CHARS]!r}" if isinstance(value, str) else f" = {value!r}"
    return f"{name}: {type(value).__name__}{size}"
