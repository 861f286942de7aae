import pytest

from benchmarks.batch import batch_s, least_s, most_at_once
from benchmarks.first_request import child_starts_s, first_root_s
from benchmarks.instant_server import Exchange
from benchmarks.turn_overhead import gaps_s


def _exchange(rule: int, arrived_s: float, answered_s: float) -> Exchange:
    return Exchange(rule, "root", 10, arrived_s, answered_s)


BATCH = [
    _exchange(0, 1.0, 1.1),
    _exchange(0, 1.2, 1.3),
    _exchange(1, 1.4, 1.5),
    _exchange(1, 1.4, 1.6),
    _exchange(1, 1.55, 1.7),
    _exchange(0, 1.9, 2.0),
]


@pytest.mark.parametrize(("prompts", "rounds"), [(1, 1), (256, 1), (257, 2), (1000, 4)])
def test_the_least_time_of_a_batch_is_its_full_rounds(prompts: int, rounds: int) -> None:
    assert least_s(prompts, 256, 0.05) == pytest.approx(rounds * 0.05)


def test_a_batch_lasts_from_the_reply_before_it_to_the_request_after_it() -> None:
    assert batch_s(BATCH) == pytest.approx(0.6)


def test_a_batch_nothing_comes_after_lasts_to_its_last_reply() -> None:
    assert batch_s(BATCH[:-1]) == pytest.approx(0.4)


def test_requests_at_the_server_together_are_counted() -> None:
    assert most_at_once(BATCH) == 2


def test_the_first_request_is_the_earliest_whatever_the_order_of_the_log() -> None:
    assert first_root_s(0.5, list(reversed(BATCH))) == pytest.approx(0.5)


def test_a_childs_start_is_the_time_since_the_reply_before_it() -> None:
    log = [_exchange(0, 1.0, 1.1), _exchange(1, 1.13, 1.2), _exchange(1, 1.24, 1.3)]
    assert child_starts_s(log) == pytest.approx((0.03, 0.04))


def test_gaps_leave_out_the_servers_own_time() -> None:
    log = [_exchange(0, 1.0, 1.5), _exchange(0, 1.51, 2.0), _exchange(0, 2.03, 2.1)]
    assert gaps_s(log) == pytest.approx([0.01, 0.03])
