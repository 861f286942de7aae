"""Profiles and texts: Markdown files -> the messages a root is sent.

Fills in templates; decides nothing about a run.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from string import Template

from rlm_local.engine.look import Look
from rlm_local.errors import ConfigError
from rlm_local.interfaces import Context
from rlm_local.registry import ProfileSpec
from rlm_local.types import Message, ReplyStyle

__all__ = ["Profile", "RunFacts", "first_message", "is_shown_whole", "load_profile", "say"]

_HEAD_CHARS = 300
_TAIL_CHARS = 150
_SMALL_CHARS = 600
"""A context up to this size is shown whole."""
_NAMED_DOCUMENTS = 4
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_CODE = re.compile(r"^```python\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
_ROLES = {"user", "assistant"}


@dataclass(frozen=True, slots=True)
class Profile:
    """How one kind of model is prompted as root."""

    name: str
    style: ReplyStyle
    system: str
    examples: tuple[Message, ...]
    fence: str
    max_reply_tokens: int
    output_chars: int
    resample_temperature: float
    first_look: bool = False
    """Whether the harness looks first, in a cell of its own."""
    turns: Mapping[str, Template] = field(default_factory=dict)
    """Texts in place of those of `turns.md`."""
    setup: str = ""
    """Code the harness runs before the root's first cell."""

    def say(self, text_name: str, /, **values: object) -> str:
        """A text of the profile's own, else that of `turns.md`, with its names filled in."""
        own = self.turns.get(text_name)
        return _filled(own, values) if own else say(text_name, **values)

    @property
    def opening(self) -> tuple[Message, ...]:
        """What every run starts with, the same bytes each time: system text, worked examples."""
        return (Message("system", self.system), *self.examples)

    @property
    def prefill(self) -> str:
        """The opened fence an assistant turn starts with; "" in other styles."""
        return f"```{self.fence}\n" if self.style == "prefill" else ""

    @property
    def example_text(self) -> str:
        """All worked examples as one text, to tell an answer that was copied from them."""
        return "\n".join(message.content for message in self.examples)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the first message tells besides the context's own facts."""

    question: str
    worker_chars: int
    subcalls_left: int | None


def load_profile(name: str, spec: ProfileSpec) -> Profile:
    """Read the Markdown files a profile names.

    Raises:
        ConfigError: a file is absent, a worked example does not take turns, or the style is `tool`.
    """
    if spec.style == "tool":
        raise ConfigError(
            f"profile {name!r}: the reply style `tool` is not there yet, models are offered no "
            "tools; use `fence`, in which tool calls written as text are read as well, or `json`"
        )
    examples = tuple(message for file in spec.examples for message in _example(name, file))
    return Profile(
        name=name,
        style=spec.style,
        system=_read(name, spec.system).strip(),
        examples=examples,
        fence=spec.fence,
        max_reply_tokens=spec.max_reply_tokens,
        output_chars=spec.output_chars,
        resample_temperature=spec.resample_temperature,
        first_look=spec.first_look,
        turns=_templates(_read(name, spec.turns)) if spec.turns else {},
        setup=_only_code(name, spec.setup) if spec.setup else "",
    )


def say(text_name: str, /, **values: object) -> str:
    """One text of `prompts/turns.md` with its names filled in."""
    return _filled(_texts()[text_name], values)


def is_shown_whole(context: Context) -> bool:
    """Whether the first message holds all of the text."""
    return context.facts.chars <= _SMALL_CHARS


def first_message(
    context: Context,
    facts: RunFacts,
    look: Look | None = None,
    examples: Sequence[str] = (),
    *,
    profile: Profile | None = None,
) -> Message:
    """What is known of the context, then the question: all that differs between questions.

    Args:
        context: what the question is about.
        facts: the question, and what sub-calls can do.
        profile: whose texts are used, where it has its own.
        look: what the harness found when it looked; without it the text's ends are shown.
        examples: worked examples, each a block of its own; they stand before what was found.
    """
    known, left = context.facts, facts.subcalls_left
    passages = say("found", passages=look.passages) if look and look.passages else ""
    blocks = [*examples, *([passages] if passages else [])]
    tell = profile.say if profile else say
    text = tell(
        "first" if look is None else "first-look",
        chars=f"{known.chars:,}",
        tokens=f"{'' if known.tokens.exact else 'about '}{known.tokens.tokens:,}",
        lines=f"{known.lines:,}",
        documents=_documents(context),
        preview=(look.told if look else "") or _preview(context),
        blocks="".join(f"{block}\n\n" for block in blocks),
        worker_chars=f"{facts.worker_chars:,}",
        subcalls="any number of" if left is None else f"{left:,}",
        question=facts.question,
    )
    return Message("user", text)


def _preview(context: Context) -> str:
    """A small text whole, of a longer one its ends."""
    if is_shown_whole(context):
        return say("preview-whole", text=context.head(_SMALL_CHARS).strip())
    return say(
        "preview-ends",
        head=_whole_lines(context.head(_HEAD_CHARS).lstrip(), keep_first=True),
        tail=_whole_lines(context.tail(_TAIL_CHARS).rstrip(), keep_first=False),
    )


def _documents(context: Context) -> str:
    total = context.facts.documents
    if total < 2:
        return ""
    names = [span.name for span in context.documents[:_NAMED_DOCUMENTS]]
    more = ", ..." if total > len(names) else ""
    return f", {total:,} documents ({', '.join(names)}{more})"


def _whole_lines(text: str, *, keep_first: bool) -> str:
    """Without the line that the cut went through, unless nothing else is left."""
    lines = text.splitlines()
    kept = lines[:-1] if keep_first else lines[1:]
    return "\n".join(kept if any(line.strip() for line in kept) else lines)


def _example(profile: str, file: str) -> list[Message]:
    messages = [
        Message("user" if role == "user" else "assistant", text)
        for role, text in _sections(_read(profile, file))
        if role in _ROLES
    ]
    roles = [message.role for message in messages]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise ConfigError(
            f"profile {profile!r}: prompts/{file}.md must take turns, "
            f"`## user` then `## assistant`; it has {', '.join(roles) or 'none'}"
        )
    return messages


def _sections(markdown: str) -> list[tuple[str, str]]:
    parts = _HEADING.split(markdown)
    return [
        (name.strip(), text.strip("\n"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    ]


def _filled(text: Template, values: Mapping[str, object]) -> str:
    return text.substitute({name: str(value) for name, value in values.items()})


def _templates(markdown: str) -> Mapping[str, Template]:
    return {name: Template(text) for name, text in _sections(markdown)}


def _only_code(profile: str, file: str) -> str:
    found = _CODE.findall(_read(profile, file))
    if len(found) != 1:
        raise ConfigError(
            f"profile {profile!r}: prompts/{file}.md must hold one block of Python; "
            f"it holds {len(found)}"
        )
    return str(found[0])


@cache
def _texts() -> Mapping[str, Template]:
    file = resources.files("rlm_local.engine") / "prompts" / "turns.md"
    return _templates(file.read_text("utf-8"))


def _read(profile: str, file: str) -> str:
    path = resources.files("rlm_local.engine") / "prompts" / f"{file}.md"
    try:
        return path.read_text("utf-8")
    except OSError as error:
        known = sorted(p.stem for p in path.parent.glob("*.md"))  # type: ignore[attr-defined]  # a folder of real files
        raise ConfigError(
            f"profile {profile!r}: no prompt file {file!r}; known: {', '.join(known)}"
        ) from error
