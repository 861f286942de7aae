import pytest

from rlm_local.engine.pause import Pause


def test_a_server_is_left_alone_for_as_long_as_it_asks() -> None:
    pause = Pause()
    pause.refused(100.0, 7.0)
    assert pause.left_s(100.0) == 7.0
    pause.answered(101.0)
    assert pause.left_s(101.0) == 6.0, "a reply to an earlier request does not change that"


def test_nobody_is_kept_waiting_for_longer_than_half_a_minute() -> None:
    pause = Pause()
    pause.refused(100.0, 3600.0)
    assert pause.left_s(100.0) == 30.0


@pytest.mark.parametrize("asked_s", [None, 0.0])
def test_refusals_in_a_row_make_longer_pauses(asked_s: float | None) -> None:
    pause, left = Pause(), []
    for number in range(12):
        pause.refused(1000.0 * number, asked_s)
        left.append(pause.left_s(1000.0 * number))
    assert 0.125 <= left[0] <= 0.375
    assert left[5] > 2 * left[0]
    assert left[-1] == 30.0


def test_a_reply_ends_a_pause_that_was_a_guess() -> None:
    pause = Pause()
    for _ in range(6):
        pause.refused(100.0, None)
    pause.answered(100.1)
    assert pause.left_s(100.1) <= 0
    pause.refused(200.0, None)
    assert pause.left_s(200.0) <= 0.375, "and the next begins small"
