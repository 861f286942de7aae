from rlm_local.sandbox.cell_clock import CellClock


class Hands:
    """Two clocks turned by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.cpu = 5.0


def _clock(hands: Hands) -> CellClock:
    clock = CellClock(10.0, cpu_limit_s=20.0, now_s=lambda: hands.now, cpu_s=lambda: hands.cpu)
    clock.look()
    return clock


def test_waiting_for_the_host_is_not_charged() -> None:
    hands = Hands()
    clock = _clock(hands)
    hands.now += 2
    clock.wait_begins()
    hands.now += 50
    assert clock.left_s == 8
    clock.wait_ends()
    hands.now += 3
    assert clock.left_s == 5
    assert (clock.seconds, clock.waited_s) == (55, 50)


def test_what_is_computed_while_waiting_is_charged() -> None:
    hands = Hands()
    clock = _clock(hands)
    clock.wait_begins()
    clock.look()
    hands.now += 5
    hands.cpu += 4
    clock.look()
    assert clock.left_s == 6


def test_what_is_computed_while_not_waiting_is_charged_once() -> None:
    hands = Hands()
    clock = _clock(hands)
    hands.now += 4
    hands.cpu += 4
    clock.look()
    assert clock.left_s == 6


def test_what_was_computed_before_the_first_look_of_a_wait_is_not_charged() -> None:
    hands = Hands()
    clock = _clock(hands)
    hands.now += 1
    hands.cpu += 1
    clock.wait_begins()
    clock.look()
    assert clock.left_s == 9
    clock.wait_ends()
    hands.cpu += 3
    clock.look()
    clock.wait_begins()
    clock.look()
    assert clock.left_s == 9


def test_the_limit_that_is_spent_is_named() -> None:
    hands = Hands()
    clock = _clock(hands)
    spent = [clock.spent]
    hands.cpu += 19
    hands.now += 5
    clock.look()
    spent.append(clock.spent)
    hands.cpu += 1
    clock.look()
    spent.append(clock.spent)
    hands.now += 5
    spent.append(clock.spent)
    assert spent == [None, None, "20 s of processor time over all its threads", "10 s"]


def test_a_process_that_is_gone_takes_no_time_back() -> None:
    hands = Hands()
    clock = _clock(hands)
    hands.cpu += 19
    clock.look()
    hands.cpu = 0.0
    clock.look()
    hands.cpu = 1.0
    clock.look()
    assert clock.spent is not None
