import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rlm_local.capacity import FixedServer, ServerLoad
from rlm_local.engine.places import Ticket
from rlm_local.engine.server_queue import ServerQueue, queue_of


@dataclass
class _Server:
    """A server whose facts a test may change."""

    name: str = "server"
    sequences: int = 4
    is_certain: bool = True
    has_priorities: bool = False
    kv_tokens: int | None = None
    told: ServerLoad | None = None
    looks: int = 0

    async def load(self) -> ServerLoad | None:
        self.looks += 1
        return self.told


class _Clients:
    """Requests that hold their turn until they are told to end."""

    def __init__(self, queue: ServerQueue) -> None:
        self.queue = queue
        self.running: list[str] = []
        self.order: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, ticket: Ticket) -> None:
        self._ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._be_served(name, ticket))
        await _settle()

    async def worker(self, name: str, *, run: str = "a", depth: int = 0, tokens: int = 1) -> None:
        await self.come(name, Ticket("worker", run, depth, tokens))

    async def root(self, name: str, *, run: str = "a", tokens: int = 1) -> None:
        await self.come(name, Ticket("root", run, 0, tokens))

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self.tasks[name]
        await _settle()

    async def leave(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        assert (self.queue.in_flight, self.queue.waiting) == (0, 0)

    async def _be_served(self, name: str, ticket: Ticket) -> None:
        async with self.queue.place(ticket):
            self.running.append(name)
            self.order.append(name)
            try:
                await self._ends[name].wait()
                self.queue.answered()
            finally:
                self.running.remove(name)


async def _settle() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


@asynccontextmanager
async def _clients(server: _Server | None = None) -> AsyncIterator[_Clients]:
    clients = _Clients(ServerQueue(server or _Server()))
    try:
        yield clients
    finally:
        await clients.leave()


async def test_no_more_are_let_through_than_the_server_takes() -> None:
    async with _clients() as clients:
        for number in range(10):
            await clients.worker(str(number))
        assert clients.running == ["0", "1", "2", "3"]
        await clients.end("1")
        assert clients.running == ["0", "2", "3", "4"]


async def test_a_root_turn_comes_before_all_sub_calls_that_wait() -> None:
    async with _clients() as clients:
        for number in range(200):
            await clients.worker(str(number))
        await clients.root("root", run="b")
        assert "root" not in clients.running
        await clients.end("0")
        assert "root" in clients.running, "it waited for one running sub-call and no more"


async def test_room_is_kept_for_root_turns_while_several_runs_are_under_way() -> None:
    async with _clients(_Server(sequences=8)) as clients:
        with clients.queue.serving_a_run(), clients.queue.serving_a_run():
            await clients.root("earlier")
            await clients.end("earlier")
            for number in range(20):
                await clients.worker(str(number))
            assert len(clients.running) == 6
            await clients.root("now", run="b")
            assert "now" in clients.running, "it did not wait at all"
        await _settle()
        assert len(clients.running) == 8, "a single run has the server for itself"


async def test_a_server_with_priorities_has_the_next_requests_at_hand() -> None:
    async with _clients(_Server(has_priorities=True)) as clients:
        for number in range(20):
            await clients.worker(str(number))
        assert len(clients.running) == 8, "as many wait in its own queue as it works on"
        await clients.root("root", run="b")
        assert "root" in clients.running, "it passes them there"


async def test_nothing_waits_at_the_server_while_several_runs_share_it() -> None:
    async with _clients(_Server(sequences=8, has_priorities=True)) as clients:
        with clients.queue.serving_a_run(), clients.queue.serving_a_run():
            await clients.root("earlier")
            await clients.end("earlier")
            for number in range(20):
                await clients.worker(str(number))
            assert len(clients.running) == 6


async def test_sub_calls_step_back_while_another_runs_root_is_being_answered() -> None:
    async with _clients(_Server(sequences=8)) as clients:
        with clients.queue.serving_a_run(), clients.queue.serving_a_run():
            await clients.root("root", run="b")
            for number in range(20):
                await clients.worker(str(number))
            assert clients.running == ["root", "0", "1"]
            await clients.end("root")
            assert len(clients.running) == 6


async def test_what_of_ours_waits_at_the_server_is_no_sign_of_others() -> None:
    server = _Server(has_priorities=True, told=ServerLoad(running=4, waiting=4))
    async with _clients(server) as clients:
        for number in range(20):
            await clients.worker(str(number))
        await asyncio.wait_for(_until(lambda: server.looks > 2), timeout=30)
        assert clients.queue.limit == 4


async def test_a_large_run_does_not_keep_a_small_one_waiting() -> None:
    async with _clients() as clients:
        for number in range(50):
            await clients.worker(f"large {number}", run="large")
        for number in range(2):
            await clients.worker(f"small {number}", run="small")
        await clients.end("large 0")
        await clients.end("large 1")
        assert sorted(clients.running) == ["large 2", "large 3", "small 0", "small 1"]


async def test_runs_that_all_wait_are_served_in_turn() -> None:
    async with _clients(_Server(sequences=1)) as clients:
        for number in range(3):
            for run in "abc":
                await clients.worker(f"{run}{number}", run=run)
        for _ in range(8):
            await clients.end(clients.running[0])
        assert clients.order == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


async def test_within_a_run_the_shallower_go_first() -> None:
    async with _clients(_Server(sequences=1)) as clients:
        await clients.worker("running")
        await clients.worker("child's", depth=1)
        await clients.worker("own", depth=0)
        await clients.end("running")
        assert clients.running == ["own"]


async def test_the_kv_cache_is_not_promised_twice() -> None:
    async with _clients(_Server(sequences=100, kv_tokens=1000)) as clients:
        for number in range(10):
            await clients.worker(str(number), tokens=300)
        assert len(clients.running) == 3
        await clients.end("0")
        assert len(clients.running) == 3


async def test_what_no_cache_holds_is_sent_alone() -> None:
    async with _clients(_Server(kv_tokens=1000)) as clients:
        await clients.worker("small", tokens=10)
        await clients.worker("huge", tokens=5000)
        await clients.worker("later", tokens=10)
        assert clients.running == ["small"]
        await clients.end("small")
        assert clients.running == ["huge"]
        await clients.end("huge")
        assert clients.running == ["later"]


async def test_the_cache_a_root_turn_needs_stays_free_beside_other_runs() -> None:
    async with _clients(_Server(sequences=100, kv_tokens=1000)) as clients:
        with clients.queue.serving_a_run(), clients.queue.serving_a_run():
            await clients.root("earlier", tokens=400)
            await clients.end("earlier")
            for number in range(10):
                await clients.worker(str(number), tokens=100)
            assert len(clients.running) == 6


async def test_one_who_leaves_while_waiting_takes_no_turn() -> None:
    async with _clients(_Server(sequences=1)) as clients:
        for name in ("first", "second", "third"):
            await clients.worker(name)
        clients.tasks["second"].cancel()
        await _settle()
        assert clients.queue.waiting == 1
        await clients.end("first")
        assert clients.running == ["third"]


async def test_one_who_is_let_through_and_leaves_in_the_same_moment_gives_its_turn_on() -> None:
    async with _clients(_Server(sequences=1)) as clients:
        await clients.worker("first")
        await clients.worker("second")
        await clients.worker("third")
        clients._ends["first"].set()
        await asyncio.sleep(0)  # the first ends and lets the second through ...
        clients.tasks["second"].cancel()  # ... which is cancelled before it has run
        await _settle()
        assert clients.running == ["third"]


async def test_a_root_turn_that_leaves_while_waiting_takes_no_turn() -> None:
    async with _clients(_Server(sequences=1)) as clients:
        await clients.worker("first")
        await clients.root("gone")
        await clients.worker("second")
        clients.tasks["gone"].cancel()
        await _settle()
        await clients.end("first")
        assert clients.running == ["second"]


async def test_a_refusal_stops_everybody_for_as_long_as_the_server_asks() -> None:
    async with _clients() as clients:
        await clients.worker("first")
        clients.queue.refused(0.05, sent_s=asyncio.get_running_loop().time())
        await clients.worker("second")
        await clients.root("root")
        assert clients.running == ["first"]
        await asyncio.wait_for(_until(lambda: len(clients.running) == 2), timeout=10)
        assert clients.running == ["first", "root"], "half of what it took before"


async def test_refusals_without_a_time_get_longer_pauses() -> None:
    async with _clients(_Server(sequences=1000)) as clients:
        loop, ends = asyncio.get_running_loop(), []
        for _ in range(6):
            clients.queue.refused(None, sent_s=loop.time())
            ends.append(clients.queue._pause.left_s(loop.time()))
        assert ends[-1] > 2 * ends[0]


async def test_a_root_turn_is_not_held_back_by_a_guess() -> None:
    async with _clients(_Server(sequences=256, is_certain=False)) as clients:
        for number in range(40):
            await clients.worker(str(number))
        assert len(clients.running) == 16
        for number in range(300):
            await clients.root(f"root {number}", run=f"r{number}")
        assert len(clients.running) == 316


async def test_the_server_is_looked_at_while_somebody_waits() -> None:
    server = _Server(sequences=4, told=ServerLoad(running=4, waiting=9))
    async with _clients(server) as clients:
        for number in range(8):
            await clients.worker(str(number))
        await asyncio.wait_for(_until(lambda: clients.queue.limit < 4), timeout=30)
        assert server.looks >= 2


async def test_a_server_that_tells_nothing_is_soon_left_alone() -> None:
    server = _Server(sequences=1)
    async with _clients(server) as clients:
        await clients.worker("first")
        await clients.worker("second")
        watch = clients.queue._watch
        assert watch is not None
        await asyncio.wait_for(watch, timeout=30)
        assert server.looks == 3


async def test_one_look_in_vain_does_not_end_the_watch() -> None:
    server = _Server(sequences=4)
    async with _clients(server) as clients:
        for number in range(8):
            await clients.worker(str(number))
        await asyncio.wait_for(_until(lambda: server.looks == 1), timeout=30)
        server.told = ServerLoad(running=4, waiting=9)
        await asyncio.wait_for(_until(lambda: clients.queue.limit < 4), timeout=30)


async def test_nobody_is_watched_when_all_have_left_while_paused() -> None:
    async with _clients() as clients:
        clients.queue.refused(30.0, sent_s=asyncio.get_running_loop().time())
        await clients.worker("first")
        await clients.leave()
        assert clients.queue._watch is None


async def test_a_wave_of_refusals_is_one_pause() -> None:
    async with _clients(_Server(sequences=1000)) as clients:
        loop = asyncio.get_running_loop()
        sent_s = loop.time()
        for _ in range(16):
            clients.queue.refused(None, sent_s=sent_s)
        assert clients.queue._pause.left_s(loop.time()) < 1.0


async def test_a_reply_ends_a_pause_that_nobody_asked_for() -> None:
    async with _clients(_Server(sequences=1000)) as clients:
        for _ in range(8):
            clients.queue.refused(None, sent_s=asyncio.get_running_loop().time())
        await clients.worker("waits")
        assert clients.running == []
        clients.queue.answered()
        await clients.worker("next")
        assert sorted(clients.running) == ["next", "waits"]


async def test_what_a_batch_shares_is_held_while_it_is_under_way() -> None:
    async with _clients(_Server(sequences=100, kv_tokens=1000)) as clients:
        with clients.queue.holding(700):
            for number in range(10):
                await clients.worker(str(number), tokens=100)
            assert len(clients.running) == 3
        assert len(clients.running) == 3
        await _settle()
        assert len(clients.running) == 10


async def test_root_turns_do_not_stop_sub_calls() -> None:
    async with _clients(_Server(sequences=16)) as clients:
        with clients.queue.serving_a_run(), clients.queue.serving_a_run():
            for number in range(6):
                await clients.root(f"root {number}", run=f"r{number}")
            for number in range(20):
                await clients.worker(str(number))
            assert len(clients.running) == 6 + 4


async def test_replicas_that_go_down_take_their_sequences_along() -> None:
    server = _Server(sequences=4)
    async with _clients(server) as clients:
        server.sequences = 2
        for number in range(8):
            await clients.worker(str(number))
        assert len(clients.running) == 2


async def test_models_of_one_server_share_one_queue_and_others_do_not() -> None:
    assert queue_of(FixedServer("a", 4)) is queue_of(FixedServer("a", 4))
    assert queue_of(FixedServer("a", 4)) is not queue_of(FixedServer("b", 4))


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110  # what is waited for tells nobody
        await asyncio.sleep(0.005)
