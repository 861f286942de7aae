import dataclasses

import pytest

from rlm_local.engine.result_keys import is_repeatable, kept_key, request_key
from rlm_local.types import (
    Choices,
    JsonSchema,
    Message,
    ModelRequest,
    Regex,
    Sampling,
)

PLAIN = ModelRequest((Message("user", "Is it a bridge?"),), Sampling(max_tokens=16))
DOES_NOT_MATTER = {"priority", "cache_salt", "session"}


def test_the_key_of_a_request_is_the_same_in_every_process_and_version() -> None:
    # A new value here means that nobody's cache and no older trace is of use any more.
    told = "145fd29ecf297de4752056de03fa376a6063a8321fcbfed13e47a863e5ce86b1"
    assert request_key(PLAIN).hex() == told


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(PLAIN, messages=(Message("user", "Is it a bridge? "),)),
        dataclasses.replace(PLAIN, messages=(Message("system", "Is it a bridge?"),)),
        dataclasses.replace(PLAIN, messages=(*PLAIN.messages, Message("assistant", ""))),
        dataclasses.replace(PLAIN, messages=()),
        dataclasses.replace(PLAIN, sampling=Sampling(max_tokens=17)),
        dataclasses.replace(PLAIN, sampling=Sampling(max_tokens=16, temperature=0.1)),
        dataclasses.replace(PLAIN, sampling=Sampling(max_tokens=16, top_p=0.9)),
        dataclasses.replace(PLAIN, sampling=Sampling(max_tokens=16, top_k=5)),
        dataclasses.replace(PLAIN, sampling=Sampling(max_tokens=16, repetition_penalty=1.1)),
        dataclasses.replace(PLAIN, sampling=Sampling(max_tokens=16, seed=0)),
        dataclasses.replace(PLAIN, sampling=Sampling(max_tokens=16, stop=("\n",))),
        dataclasses.replace(PLAIN, constraint=Choices(("yes", "no"))),
        dataclasses.replace(PLAIN, constraint=Choices(("no", "yes"))),
        dataclasses.replace(PLAIN, constraint=Regex("yes|no")),
        dataclasses.replace(PLAIN, constraint=JsonSchema("yes|no")),
        dataclasses.replace(PLAIN, continue_final=True),
        dataclasses.replace(PLAIN, wants_scores=True),
    ],
)
def test_whatever_decides_the_reply_makes_another_key(other: ModelRequest) -> None:
    assert request_key(other) != request_key(PLAIN)


def test_what_decides_only_when_the_reply_comes_does_not() -> None:
    assert request_key(dataclasses.replace(PLAIN, priority=7)) == request_key(PLAIN)


def test_no_field_of_a_request_is_forgotten() -> None:
    """Who adds a field decides here whether it changes the reply, and in `request_key`."""
    named = {"messages", "sampling", "constraint", "continue_final", "wants_scores"}
    assert {field.name for field in dataclasses.fields(ModelRequest)} == named | DOES_NOT_MATTER


def test_borders_between_messages_count() -> None:
    one = dataclasses.replace(PLAIN, messages=(Message("user", "a\nuser 1\nb"),))
    two = dataclasses.replace(PLAIN, messages=(Message("user", "a"), Message("user", "b")))
    assert request_key(one) != request_key(two)


def test_any_text_has_a_key() -> None:
    lone = dataclasses.replace(PLAIN, messages=(Message("user", "a\ud800\x00"),))
    assert len(request_key(lone)) == 32


def test_another_model_has_other_keys() -> None:
    key = request_key(PLAIN)
    assert kept_key("sha256:1", key) == kept_key("sha256:1", key) != kept_key("sha256:2", key)


@pytest.mark.parametrize(
    ("sampling", "repeatable"),
    [
        (Sampling(1), True),
        (Sampling(1, temperature=0.7), False),
        (Sampling(1, temperature=0.7, seed=0), True),
        (Sampling(1, seed=3), True),
    ],
)
def test_only_greedy_or_seeded_requests_are_repeatable(
    sampling: Sampling, repeatable: bool
) -> None:
    assert is_repeatable(sampling) == repeatable
