"""The messages of one run: append-only, so that a server's prefix cache holds all but the newest.

Compaction is the one exception, and one step. Counts tokens; asks no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rlm_local.engine.observations import cut_middle
from rlm_local.engine.prompts import Profile, say
from rlm_local.engine.replies import close_fence, first_fenced
from rlm_local.engine.syntax import assigned_names
from rlm_local.interfaces import TokenCounter
from rlm_local.types import Message

__all__ = ["Compaction", "History"]

_MESSAGE_TOKENS = 5
"""Role markers and line ends that a chat template puts around each message."""
_KEPT_TURNS = 2
_SUMMARY_CELL_CHARS = 160
_SUMMARY_OUTPUT_CHARS = 240
_SUMMARY_TURNS = 12


@dataclass(frozen=True, slots=True)
class Compaction:
    """Prompt tokens before and after one compaction."""

    tokens_before: int
    tokens_after: int


@dataclass(frozen=True, slots=True)
class _Turn:
    """One reply of the root and what came of it."""

    reply: Message
    observation: Message
    tokens: int
    code: str


class History:
    """What the root has been sent and has replied.

    Attributes:
        n_written: messages already written to the trace.
    """

    def __init__(
        self,
        profile: Profile,
        first: Message,
        counter: TokenCounter,
        *,
        prefill: bool,
        before: Sequence[Message] | None = None,
    ) -> None:
        """`before`: what stands before `first` in this run; None: the profile's own opening."""
        self.n_written = 0
        self._prefill = profile.prefill if prefill else ""
        self._counter = counter
        self._opening = (*(profile.opening if before is None else before), first)
        self._opening_tokens = sum(self._count(message) for message in self._opening)
        self._turns: list[_Turn] = []
        self._undercount = 0

    @property
    def prefill(self) -> str:
        """What the assistant turn is opened with; "" where the model is not prefilled."""
        return self._prefill

    @property
    def first(self) -> Message:
        """What the run was told of its context, and the question."""
        return self._opening[-1]

    @property
    def messages(self) -> tuple[Message, ...]:
        """Everything so far, ending with a user message."""
        turns = (message for turn in self._turns for message in (turn.reply, turn.observation))
        return (*self._opening, *turns)

    @property
    def tokens(self) -> int:
        """Tokens of a prompt made of `messages`; never below what the server last counted."""
        return (
            self._opening_tokens
            + sum(turn.tokens for turn in self._turns)
            + self._undercount
            + _MESSAGE_TOKENS
        )

    def request(self, *, hint: str | None = None) -> tuple[Message, ...]:
        """Messages for the next reply, prefill included.

        Args:
            hint: one line for this request only; it goes behind the last message.
        """
        messages = self.messages
        if hint is not None:
            last = messages[-1]
            messages = (
                *messages[:-1],
                Message("user", say("hint", message=last.content, hint=hint)),
            )
        return (*messages, Message("assistant", self._prefill)) if self._prefill else messages

    def whole_reply(self, completion: str) -> str:
        """The assistant's turn as it is sent back later: prefill, completion, closed fence.

        The bytes that the server generated stay as they are; after a prefill, what a model wrote
        behind its first cell (outputs it made up) is dropped.
        """
        if not self._prefill:
            return completion
        return close_fence(first_fenced(self._prefill + completion))

    def add(self, reply: str, observation: str, *, code: str) -> None:
        """Append one turn: the whole reply, what the harness says to it, and the code it ran."""
        said = Message("assistant", reply)
        seen = Message("user", observation)
        tokens = self._count(said) + self._count(seen)
        self._turns.append(_Turn(said, seen, tokens, code))

    def learn_true_tokens(self, prompt_tokens: int) -> None:
        """Take the server's count of the last prompt, where ours came out below it."""
        self._undercount = max(0, self._undercount + prompt_tokens - self.tokens)

    def compact(self, room_tokens: int) -> Compaction | None:
        """Make the prompt fit, if it does not: one summary in place of the older turns.

        The opening and the last turns stay as they are. Keeps fewer last turns where even two
        are too long.

        Returns:
            What it did; None if there was nothing to do.
        """
        before = self.tokens
        if before <= room_tokens or not self._turns:
            return None
        turns = self._turns
        for kept in range(min(_KEPT_TURNS, len(turns) - 1), -1, -1):
            older, last = turns[: len(turns) - kept], turns[len(turns) - kept :]
            self._turns = [self._summary(older), *last]
            if self.tokens <= room_tokens:
                break
        self.n_written = min(self.n_written, len(self._opening))
        return Compaction(before, self.tokens)

    def _summary(self, turns: Sequence[_Turn]) -> _Turn:
        """A turn that looks like the root asking what is defined, and being told."""
        told = "\n".join(_told(turn) for turn in turns[-_SUMMARY_TURNS:])
        names = dict.fromkeys(name for turn in turns for name in assigned_names(turn.code))
        code = "\n".join(turn.code for turn in turns)
        fence = self._prefill or "```repl\n"
        said = Message("assistant", f"{fence}SHOW_VARS()\n```")
        seen = Message("user", say("summary", cells=told, names=", ".join(names) or "none"))
        return _Turn(said, seen, self._count(said) + self._count(seen), code)

    def _count(self, message: Message) -> int:
        return self._counter.count(message.content) + _MESSAGE_TOKENS


def _told(turn: _Turn) -> str:
    code = cut_middle(" ; ".join(turn.code.split("\n")), _SUMMARY_CELL_CHARS)
    output = cut_middle(turn.observation.content, _SUMMARY_OUTPUT_CHARS)
    return f"- {code}\n  {output}"
