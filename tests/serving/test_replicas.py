import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from rlm_local.capacity import ServerLoad
from rlm_local.errors import ModelBusy, ModelError, ModelUnavailable
from rlm_local.interfaces import Model, Server, TokenCounter
from rlm_local.serving.replicas import ReplicaPool, ReplicatedModel
from rlm_local.types import Completion, Message, ModelRequest, Sampling
from tests.fakes.parts import HandClock, WordCounter, completion

PIECE = "a text that several questions are asked about. " * 40
DOWN = ModelUnavailable("cannot reach it: Connection refused")
BUSY = ModelBusy("too much at once", status=503)


@dataclass
class Told:
    """A server that tells what it is given to tell."""

    name: str
    sequences: int = 16
    is_certain: bool = True
    has_priorities: bool = False
    kv_tokens: int | None = None
    told: ServerLoad | None = None

    async def load(self) -> ServerLoad | None:
        return self.told


@dataclass(eq=False)
class Copy:
    """One copy of the model: answers with its own name, or fails, at once or once let go."""

    where: str
    sequences: int = 16
    fails: ModelError | None = None
    context_tokens: int = 8000
    supports_prefill: bool = True
    name: str = "worker"
    digest: str = "sha256:fake"
    tokens: TokenCounter = field(default_factory=WordCounter)
    asked: int = 0
    in_flight: int = 0
    is_closed: bool = False
    held: asyncio.Event | None = None

    def __post_init__(self) -> None:
        self.told = Told(self.where, self.sequences)

    @property
    def server(self) -> Server:
        return self.told

    async def complete(self, request: ModelRequest) -> Completion:
        self.asked += 1
        self.in_flight += 1
        try:
            await (self.held.wait() if self.held else asyncio.sleep(0))
        finally:
            self.in_flight -= 1
        if self.fails:
            raise self.fails
        return completion(self.where)

    async def aclose(self) -> None:
        self.is_closed = True


_copy: type[Model] = Copy


def _ask(text: str = "Say yes.") -> ModelRequest:
    return ModelRequest((Message("user", text),), Sampling(8))


def _pair() -> tuple[Copy, Copy]:
    return Copy("one"), Copy("two")


def _over(*copies: Copy, clock: HandClock | None = None) -> ReplicatedModel:
    return ReplicatedModel(copies, digest="d", now_s=(clock or HandClock()).now_s)


def _pool(model: ReplicatedModel) -> ReplicaPool:
    assert isinstance(model.server, ReplicaPool)
    return model.server


@asynccontextmanager
async def _under_way(model: ReplicatedModel, prompts: list[str]) -> AsyncIterator[None]:
    """While all of these are being answered."""
    copies = [it.model for it in _pool(model).replicas if isinstance(it.model, Copy)]
    let_go = asyncio.Event()
    for copy in copies:
        copy.held = let_go
    tasks = [asyncio.create_task(model.complete(_ask(prompt))) for prompt in prompts]
    await asyncio.sleep(0)
    yield
    let_go.set()
    await asyncio.wait(tasks)
    for copy in copies:
        copy.held = None


async def test_prompts_with_nothing_in_common_are_spread_evenly() -> None:
    one, two = _pair()
    async with _under_way(_over(one, two), [f"{n}: {PIECE}" for n in range(30)]):
        assert (one.in_flight, two.in_flight) == (15, 15)


async def test_a_larger_server_is_given_more() -> None:
    small, large = Copy("small", sequences=8), Copy("large", sequences=24)
    async with _under_way(_over(small, large), [f"{n}: {PIECE}" for n in range(32)]):
        assert (small.in_flight, large.in_flight) == (8, 24)


async def test_prompts_that_begin_alike_go_to_one_replica() -> None:
    model = _over(*_pair())
    where: dict[int, set[str]] = {}
    for question in range(6):
        for text in range(10):
            reply = await model.complete(_ask(f"{text}: {PIECE} Question {question}?"))
            where.setdefault(text, set()).add(reply.text)
    assert all(len(names) == 1 for names in where.values())


@pytest.mark.parametrize(("salt", "held"), [("mine", (2, 0)), ("another", (1, 1))])
async def test_only_what_was_read_with_the_same_salt_draws(
    salt: str, held: tuple[int, int]
) -> None:
    one, two = _pair()
    model = _over(one, two)
    assert (await model.complete(replace(_ask(PIECE), cache_salt="mine"))).text == "one"
    async with _under_way(model, ["something else"]):
        task = asyncio.create_task(model.complete(replace(_ask(PIECE), cache_salt=salt)))
        await asyncio.sleep(0)
        assert (one.in_flight, two.in_flight) == held
    await task


async def test_what_begins_alike_draws_a_replica_only_so_far_beyond_the_others() -> None:
    one, two = _pair()
    async with _under_way(_over(one, two), [f"{PIECE} Question {n}?" for n in range(24)]):
        assert one.in_flight + two.in_flight == 24
        assert abs(one.in_flight - two.in_flight) <= 5


async def test_a_full_replica_is_not_drawn_beyond_what_it_takes() -> None:
    one, two = Copy("one", sequences=2), Copy("two", sequences=2)
    async with _under_way(_over(one, two), [f"{PIECE} Question {n}?" for n in range(4)]):
        assert (one.in_flight, two.in_flight) == (2, 2)


async def test_a_cancelled_request_counts_no_longer() -> None:
    one, two = _pair()
    one.held = two.held = asyncio.Event()
    model = _over(one, two)
    tasks = [asyncio.create_task(model.complete(_ask(str(n)))) for n in range(8)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert [replica.in_flight for replica in _pool(model).replicas] == [0, 0]


async def test_a_request_whose_replica_is_gone_is_answered_by_the_other_at_once() -> None:
    one, two = _pair()
    one.fails = DOWN
    model = _over(one, two)
    replies = [(await model.complete(_ask(str(n)))).text for n in range(10)]
    assert replies == ["two"] * 10
    assert one.asked == 1, "it is left alone while it rests"


async def test_requests_under_way_at_a_replica_that_dies_go_to_the_other() -> None:
    one, two = _pair()
    clock = HandClock()
    model = _over(one, two, clock=clock)
    async with _under_way(model, [f"{n}: {PIECE}" for n in range(20)]):
        assert one.in_flight == 10
        one.fails = DOWN
    assert (one.asked, two.asked) == (10, 20)
    clock.time_s += 1.01  # ten requests failed together: one failure, one short rest
    one.fails = None
    await asyncio.gather(*(model.complete(_ask(str(n))) for n in range(4)))
    assert one.asked == 11


async def test_one_request_tries_a_replica_that_has_rested_and_the_others_follow() -> None:
    one, two = _pair()
    one.fails, clock = DOWN, HandClock()
    model = _over(one, two, clock=clock)
    await model.complete(_ask())
    clock.time_s += 1.01
    one.fails = None
    async with _under_way(model, [f"{n}: {PIECE}" for n in range(10)]):
        assert (one.in_flight, two.in_flight) == (1, 9)
    async with _under_way(model, [f"again {n}: {PIECE}" for n in range(10)]):
        assert (one.in_flight, two.in_flight) == (5, 5)


async def test_a_try_that_hangs_is_joined_by_nobody() -> None:
    one, two = _pair()
    one.fails, clock = DOWN, HandClock()
    model = _over(one, two, clock=clock)
    await model.complete(_ask())
    clock.time_s += 1.01
    async with _under_way(model, ["the try", "another", "a third"]):
        clock.time_s += 600.0
        two.held = None
        await model.complete(_ask("a fourth"))
        assert (one.in_flight, two.in_flight) == (1, 2)


@pytest.mark.parametrize(("silent_s", "capacity"), [(599.0, 32), (601.0, 16)])
async def test_a_server_that_kept_silent_until_a_request_was_given_up_rests(
    silent_s: float, capacity: int
) -> None:
    one, two = _pair()
    clock = HandClock()
    model = _over(one, two, clock=clock)
    one.held = asyncio.Event()
    given_up = asyncio.create_task(model.complete(_ask()))
    await asyncio.sleep(0)
    clock.time_s += silent_s
    given_up.cancel()
    await asyncio.wait([given_up])
    assert model.server.sequences == capacity


async def test_a_slow_request_given_up_is_no_fault_of_a_server_that_answers_others() -> None:
    one = Copy("one")
    clock = HandClock()
    model = _over(one, Copy("two"), clock=clock)
    one.held = asyncio.Event()
    slow = asyncio.create_task(model.complete(_ask()))
    await asyncio.sleep(0)
    clock.time_s += 50.0
    one.held = None
    for _ in range(2):  # the other is idler
        await asyncio.gather(*(model.complete(_ask(str(n))) for n in range(4)))
    assert one.asked > 1
    clock.time_s += 50.0
    slow.cancel()
    await asyncio.wait([slow])
    assert model.server.sequences == 32


async def test_each_failed_try_doubles_the_rest_up_to_half_a_minute() -> None:
    one, two = _pair()
    one.fails, clock = DOWN, HandClock()
    model = _over(one, two, clock=clock)
    await model.complete(_ask())
    for rest_s in (1, 2, 4, 8, 16, 30, 30):
        clock.time_s += rest_s - 0.01
        asked = one.asked
        await model.complete(_ask())
        assert one.asked == asked
        clock.time_s += 0.02
        await model.complete(_ask())
        assert one.asked == asked + 1


async def test_a_server_that_says_when_to_come_back_is_left_alone_until_then() -> None:
    one, two = _pair()
    one.fails, clock = ModelUnavailable("later", status=500, retry_after_s=12.0), HandClock()
    model = _over(one, two, clock=clock)
    await model.complete(_ask())
    clock.time_s += 11.9
    await model.complete(_ask())
    assert one.asked == 1
    clock.time_s += 0.2
    await model.complete(_ask())
    assert one.asked == 2


async def test_what_a_lost_replica_has_read_is_forgotten() -> None:
    one, two = _pair()
    clock = HandClock()
    model = _over(one, two, clock=clock)
    assert (await model.complete(_ask(f"{PIECE} First?"))).text == "one"
    one.fails = DOWN
    assert (await model.complete(_ask(f"{PIECE} Second?"))).text == "two"
    one.fails = None
    clock.time_s += 1.01
    assert (await model.complete(_ask(f"{PIECE} Third?"))).text == "two"


async def test_a_full_replica_hands_on_and_is_left_out_for_a_moment() -> None:
    one, two = _pair()
    one.fails = BUSY
    clock = HandClock()
    model = _over(one, two, clock=clock)
    assert (await model.complete(_ask())).text == "two"
    one.fails = None
    async with _under_way(model, ["a", "b"]):
        assert (one.in_flight, two.in_flight) == (0, 2)
        assert model.server.sequences == 16
    clock.time_s += 1.5
    async with _under_way(model, ["a", "b"]):
        assert (one.in_flight, two.in_flight) == (1, 1)
    assert model.server.sequences == 32


async def test_a_replica_that_rests_is_worth_waiting_for_where_another_has_no_such_model() -> None:
    one, two = _pair()
    one.fails = ModelError("no such model", status=404)
    two.fails = DOWN
    model = _over(one, two)
    for _ in range(3):
        with pytest.raises(ModelError) as caught:
            await model.complete(_ask())
        assert caught.value.retryable


async def test_while_none_is_up_those_that_have_rested_share_the_load() -> None:
    one, two = _pair()
    one.fails = two.fails = DOWN
    clock = HandClock()
    model = _over(one, two, clock=clock)
    with pytest.raises(ModelUnavailable):
        await model.complete(_ask())
    one.fails = two.fails = None
    clock.time_s += 5.0
    async with _under_way(model, [f"prompt {number}" for number in range(8)]):
        assert (one.in_flight, two.in_flight) == (4, 4)


@pytest.mark.parametrize("order", [(BUSY, DOWN), (DOWN, BUSY)])
async def test_where_one_is_full_and_the_others_are_gone_it_is_worth_waiting(
    order: tuple[ModelError, ModelError],
) -> None:
    one, two = _pair()
    one.fails, two.fails = order
    with pytest.raises(ModelBusy):
        await _over(one, two).complete(_ask())
    assert (one.asked, two.asked) == (1, 1)


async def test_while_all_are_gone_the_one_that_rested_longest_is_tried() -> None:
    one, two = _pair()
    one.fails = two.fails = DOWN
    model = _over(one, two)
    with pytest.raises(ModelUnavailable, match="Connection refused"):
        await model.complete(_ask())
    assert (one.asked, two.asked) == (1, 1)
    two.fails = None
    with pytest.raises(ModelUnavailable):
        await model.complete(_ask())
    assert (one.asked, two.asked) == (2, 1)
    assert (await model.complete(_ask())).text == "two"


async def test_a_refusal_of_the_request_is_not_taken_elsewhere() -> None:
    one, two = _pair()
    one.fails = ModelError("maximum context length is 4096 tokens", status=400)
    model = _over(one, two)
    with pytest.raises(ModelError, match="maximum context length"):
        await model.complete(_ask())
    assert (one.asked, two.asked) == (1, 0)
    assert model.server.sequences == 32, "it is up"


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_replica_with_another_key_or_model_is_passed_over(status: int) -> None:
    one, two = _pair()
    one.fails = ModelError("not here", status=status)
    model = _over(one, two)
    assert [(await model.complete(_ask())).text for _ in range(3)] == ["two"] * 3
    assert one.asked == 1
    two.fails = one.fails
    with pytest.raises(ModelError, match="not here") as caught:
        await model.complete(_ask())
    assert not caught.value.retryable


async def test_the_capacity_is_that_of_the_servers_that_answer() -> None:
    one, two = Copy("one", sequences=8), Copy("two", sequences=16)
    one.told.kv_tokens, two.told.kv_tokens = 1000, 3000
    clock = HandClock()
    model = _over(one, two, clock=clock)
    server = model.server
    assert (server.name, server.sequences, server.kv_tokens) == ("one two", 24, 4000)
    has_priorities = [server.has_priorities]
    for copy in (one, two):
        copy.told.has_priorities = True
        has_priorities.append(server.has_priorities)
    assert has_priorities == [False, False, True], "one alone would let a root turn wait"
    one.fails = DOWN
    await model.complete(_ask())
    assert (server.sequences, server.kv_tokens) == (16, 3000)
    clock.time_s += 5.0
    assert server.sequences == 16, "a rest that is over is no reply yet"
    two.fails = DOWN
    with pytest.raises(ModelUnavailable):
        await model.complete(_ask())
    assert server.sequences == 24, "somebody must try"
    one.fails = two.fails = None
    clock.time_s += 5.0
    await asyncio.gather(model.complete(_ask("a")), model.complete(_ask("b")))
    assert server.sequences == 24


async def test_the_capacity_is_certain_where_each_is_and_known_where_each_tells() -> None:
    one, two = _pair()
    server = _over(one, two).server
    assert server.is_certain
    one.told.kv_tokens = 1000
    assert server.kv_tokens is None
    two.told.is_certain = False
    assert not server.is_certain


async def test_loads_are_added_up_over_those_that_tell() -> None:
    one, two = _pair()
    server = _over(one, two).server
    assert await server.load() is None
    one.told.told = ServerLoad(running=3, waiting=1)
    assert await server.load() == ServerLoad(3, 1)
    two.told.told = ServerLoad(running=4, waiting=0)
    assert await server.load() == ServerLoad(7, 1)


async def test_a_replica_that_comes_back_brings_no_preemptions_of_before() -> None:
    one, two = _pair()
    clock = HandClock()
    model = _over(one, two, clock=clock)
    counted = []

    async def look(first: int, second: int) -> None:
        one.told.told, two.told.told = ServerLoad(1, 0, first), ServerLoad(1, 0, second)
        load = await model.server.load()
        assert load is not None
        counted.append(load.preemptions)

    await look(100, 50)
    await look(102, 50)
    one.fails = DOWN
    await model.complete(_ask())
    await look(102, 51)
    one.fails = None
    clock.time_s += 1.01
    await model.complete(_ask())
    await look(0, 51)  # started anew
    await look(1, 51)
    assert counted == [0, 2, 3, 3, 4]


async def test_the_whole_is_as_capable_as_the_least_of_them_and_closes_all() -> None:
    one, two = _pair()
    two.context_tokens, two.supports_prefill = 4096, False
    model = _over(one, two)
    assert (model.name, model.digest, model.context_tokens) == ("worker", "d", 4096)
    assert not model.supports_prefill
    assert model.tokens.count("12345678") == 2
    await model.aclose()
    assert one.is_closed
    assert two.is_closed
