import pytest

from benchmarks.batch import batch_s, least_s, most_at_once
from benchmarks.first_request import child_starts_s, first_root_s
from benchmarks.instant_server import Exchange
from benchmarks.runaway_cells import KINDS
from benchmarks.runaways import ending_of
from benchmarks.sandbox_soak import Holdings, slope
from benchmarks.turn_overhead import gaps_s
from rlm_local.types import CellResult


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


def _cell(*, error: str | None = None, interrupted: bool = False, restarted: bool = False) -> str:
    result = CellResult(
        "", 0, None, error, None, None, 1.0, interrupted=interrupted, restarted=restarted
    )
    return ending_of(result)


def test_a_cell_killed_at_its_limit_is_a_restart_and_no_interrupt() -> None:
    assert _cell(interrupted=True, restarted=True) == "restarted"
    assert _cell(interrupted=True) == "interrupted"
    assert _cell(error="Stopped after 1 s. Variables are kept.") == "interrupted"
    assert _cell(error="ValueError: no") == "ends"


def test_kinds_of_runaways_have_names_of_their_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_slope_is_of_the_second_half_without_the_end() -> None:
    rss = [0, 900, 100, 200, 300, 400, 500, 0]
    seen = [Holdings(10 * n, 0, held, 0, 0, 0, 0, 0, 0, 0) for n, held in enumerate(rss)]
    assert slope(seen, "rss_bytes") == pytest.approx(10.0)
    assert slope(seen[:4], "rss_bytes") == 0.0
