"""A ModelRequest as the body of an OpenAI chat request, and the reply as a Completion.

Pure. Two dialects: "vllm" knows prefill, priorities and template arguments; "openai" is what
every such server knows, and nothing else is sent to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rlm_local.errors import ModelError
from rlm_local.interfaces import TokenCounter
from rlm_local.serving.choice_scores import TOP, choice_scores, steps_of
from rlm_local.serving.constraints import instruction, json_schema_of, text_that_fits
from rlm_local.types import Choices, Completion, Constraint, FinishReason, Json, ModelRequest, Usage

__all__ = ["SCORE_KEYS", "ChatWire", "Dialect"]

Dialect = Literal["vllm", "openai"]

SESSION_HEADER = "X-Session-ID"
"""By which vllm-router keeps a conversation on one replica."""
SCORE_KEYS = frozenset({"logprobs", "top_logprobs"})
"""By which a server is asked for log-probabilities."""
FINISH_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


@dataclass(frozen=True, slots=True)
class ChatWire:
    """How to speak to one server."""

    model: str
    dialect: Dialect
    tokens: TokenCounter
    chat_template_kwargs: Mapping[str, Json] = field(default_factory=dict)
    priority_scheduling: bool = False
    """Whether the server takes `priority`; it answers 400 when it was not started so."""

    def messages(self, request: ModelRequest) -> list[dict[str, str]]:
        """The messages alone."""
        return [{"role": item.role, "content": item.content} for item in request.messages]

    def settings(self, request: ModelRequest) -> dict[str, Any]:
        """What every such server knows, messages and constraint left out."""
        sampling = request.sampling
        settings: dict[str, Any] = {
            "model": self.model,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
        }
        if sampling.top_p is not None:
            settings["top_p"] = sampling.top_p
        if sampling.seed is not None:
            settings["seed"] = sampling.seed
        if sampling.stop:
            settings["stop"] = list(sampling.stop)
        if request.wants_scores:
            settings |= {"logprobs": True, "top_logprobs": TOP}
        return settings

    def vllm_settings(self, request: ModelRequest) -> dict[str, Any]:
        """What only vLLM knows, constraint left out."""
        settings: dict[str, Any] = {}
        if request.continue_final:
            settings |= {"continue_final_message": True, "add_generation_prompt": False}
        if request.sampling.top_k is not None:
            settings["top_k"] = request.sampling.top_k
        if request.sampling.repetition_penalty is not None:
            settings["repetition_penalty"] = request.sampling.repetition_penalty
        if self.priority_scheduling:
            settings["priority"] = request.priority
        if request.cache_salt is not None:
            settings["cache_salt"] = request.cache_salt
        if self.chat_template_kwargs:
            settings["chat_template_kwargs"] = dict(self.chat_template_kwargs)
        return settings

    def headers(self, request: ModelRequest) -> dict[str, str]:
        """What a router in front of several vLLM servers goes by."""
        is_told = self.dialect == "vllm" and request.session is not None
        return {SESSION_HEADER: request.session or ""} if is_told else {}

    def body(self, request: ModelRequest) -> dict[str, Any]:
        """The whole body of a request without a constraint."""
        body = {"messages": self.messages(request), **self.settings(request)}
        return body | self.vllm_settings(request) if self.dialect == "vllm" else body

    def asking_body(
        self, request: ModelRequest, constraint: Constraint, *, with_schema: bool
    ) -> dict[str, Any]:
        """A body that asks for the constraint in words, and by `response_format` if wanted."""
        body = self.body(request)
        last = body["messages"][-1]
        last["content"] = f"{last['content']}\n\n{instruction(constraint)}"
        if with_schema:
            schema = {"name": "reply", "schema": json_schema_of(constraint)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def completion(
        self, request: ModelRequest, reply: dict[str, Any], *, seconds: float
    ) -> Completion:
        """What a reply says; absent fields are tolerated where a reader can do without.

        Raises:
            ModelError: there is no choice, or its message has the wrong shape.
        """
        choices = reply.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            raise ModelError(f"{self.model}: a reply without a message: {str(reply)[:200]}")
        text = message.get("content")
        if text is not None and not isinstance(text, str):
            raise ModelError(f"{self.model}: a reply whose content is not text: {str(text)[:200]}")
        reason = choice.get("finish_reason")
        reasoning = message.get("reasoning") or message.get("reasoning_content") or ""
        usage = reply.get("usage")
        return Completion(
            text=text or "",
            finish_reason=FINISH_REASONS.get(reason, "other")
            if isinstance(reason, str)
            else "other",
            usage=_usage(usage)
            if isinstance(usage, dict)
            else self._estimate(request, f"{reasoning}{text or ''}"),
            seconds=seconds,
            scores=_scores(request, choice.get("logprobs"), text or ""),
        )

    def _estimate(self, request: ModelRequest, written: str) -> Usage:
        return Usage(
            prompt_tokens=sum(self.tokens.count(item.content) for item in request.messages),
            completion_tokens=self.tokens.count(written),
        )


def _scores(request: ModelRequest, logprobs: object, text: str) -> dict[str, float]:
    constraint = request.constraint
    if not request.wants_scores or not isinstance(constraint, Choices):
        return {}
    choice = text_that_fits(text, constraint) or text.strip()
    return choice_scores(steps_of(logprobs), choice, constraint.values)


def _usage(usage: dict[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(
        prompt_tokens=_count(usage.get("prompt_tokens")),
        cached_tokens=_count(cached),
        completion_tokens=_count(usage.get("completion_tokens")),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
