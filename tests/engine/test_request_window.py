import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.capacity import ServerLoad
from rlm_local.engine.request_window import RequestWindow


class _Simulated:
    """A server that takes so many at once, each for so long, and a window kept full before it."""

    def __init__(self, window: RequestWindow, capacity: int, *, each_s: float = 1.0) -> None:
        self.window = window
        self.capacity = capacity
        self.each_s = each_s
        self.now_s = 0.0

    def serve(self, replies: int) -> None:
        for _ in range(replies):
            self.now_s += self.each_s / min(self.capacity, self.window.limit)
            self.window.answered(self.now_s, was_full=True)


def test_a_known_capacity_is_used_from_the_first_request_on() -> None:
    window = RequestWindow(48, is_certain=True)
    assert window.limit == 48


@pytest.mark.parametrize(
    ("capacity", "least", "most"), [(8, 16, 16), (40, 40, 80), (1000, 256, 256)]
)
def test_an_unknown_capacity_is_found_from_below(capacity: int, least: int, most: int) -> None:
    server = _Simulated(RequestWindow(256, is_certain=False), capacity)
    server.serve(3000)
    assert least <= server.window.limit <= most


def test_a_server_that_says_busy_gets_half_and_then_one_more_at_a_time() -> None:
    window = RequestWindow(64, is_certain=True)
    window.refused(10.0, sent_s=9.0)
    assert window.limit == 32
    server = _Simulated(window, capacity=64)
    server.now_s = 20.0
    server.serve(34)
    assert window.limit == 33


def test_a_window_that_was_felt_for_grows_again_after_refusals() -> None:
    server = _Simulated(RequestWindow(256, is_certain=False), capacity=64)
    server.serve(500)
    before = server.window.limit
    for _ in range(3):
        server.now_s += 1.0
        assert server.window.refused(server.now_s, sent_s=server.now_s - 0.1)
    assert server.window.limit == before // 8
    server.serve(3000)
    assert server.window.limit > before // 4


def test_refusals_of_one_full_window_count_once() -> None:
    window = RequestWindow(64, is_certain=True)
    for number in range(60):
        window.refused(10.0 + number / 1000, sent_s=9.0)
    assert window.limit == 32


def test_after_many_refusals_one_request_may_still_be_sent() -> None:
    window = RequestWindow(64, is_certain=True)
    for number in range(20):
        window.refused(float(number), sent_s=number - 0.5)
    assert window.limit == 1


def test_a_server_whose_own_queue_stays_full_gets_less() -> None:
    window = RequestWindow(32, is_certain=True)
    window.loaded(ServerLoad(running=32, waiting=4))
    assert window.limit == 32, "one look may see a wave that was just sent"
    window.loaded(ServerLoad(running=32, waiting=4))
    assert window.limit == 28


def test_a_server_whose_queue_is_empty_gets_more_again() -> None:
    window = RequestWindow(32, is_certain=True)
    window.refused(0.0, sent_s=-1.0)
    for _ in range(10):
        window.loaded(ServerLoad(running=4, waiting=0))
    assert window.limit == 32


def test_a_kv_cache_that_overflows_means_fewer_at_once() -> None:
    window = RequestWindow(32, is_certain=True)
    window.loaded(ServerLoad(running=32, waiting=0, preemptions=7))
    assert window.limit == 32, "preemptions of the time before are not ours"
    window.loaded(ServerLoad(running=32, waiting=0, preemptions=8))
    assert window.limit == 24


def test_a_replica_that_goes_takes_its_part_along_and_brings_it_back() -> None:
    window = RequestWindow(64, is_certain=True)
    window.set_most(32, is_certain=True)
    assert window.limit == 32
    window.set_most(64, is_certain=True)
    assert window.limit == 64


def test_a_cut_window_stays_cut_when_a_replica_comes_back() -> None:
    window = RequestWindow(64, is_certain=True)
    window.refused(0.0, sent_s=-1.0)
    window.set_most(128, is_certain=True)
    assert window.limit == 32


def test_replies_while_nobody_waits_tell_nothing() -> None:
    window = RequestWindow(256, is_certain=False)
    for number in range(1000):
        window.answered(float(number), was_full=False)
    assert window.limit == 16


@given(
    most=st.integers(1, 300),
    is_certain=st.booleans(),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("answered"), st.booleans()),
            st.tuples(st.just("refused"), st.just(0)),
            st.tuples(st.just("loaded"), st.integers(0, 500)),
            st.tuples(st.just("most"), st.integers(0, 300)),
        ),
        max_size=200,
    ),
)
def test_whatever_happens_it_stays_between_one_and_what_the_server_takes(
    most: int, is_certain: bool, steps: list[tuple[str, int]]
) -> None:
    window, now_s = RequestWindow(most, is_certain=is_certain), 0.0
    for kind, value in steps:
        now_s += 0.1
        if kind == "answered":
            window.answered(now_s, was_full=bool(value))
        elif kind == "refused":
            window.refused(now_s, sent_s=now_s - 0.05)
        elif kind == "loaded":
            window.loaded(ServerLoad(running=1, waiting=value, preemptions=value // 50))
        else:
            most = max(1, value)
            window.set_most(value, is_certain=is_certain)
        assert 1 <= window.limit <= most
