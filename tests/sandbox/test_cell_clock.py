from rlm_local.sandbox.cell_clock import CellClock


class Hands:
    """Two clocks turned by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.cpu = 5.0


def _clock(hands: Hands) -> CellClock:
    return CellClock(10.0, now_s=lambda: hands.now, cpu_s=lambda: hands.cpu)


def test_waiting_for_the_host_is_not_charged() -> None:
    hands = Hands()
    clock = _clock(hands)
    hands.now += 2
    clock.wait_begins()
    hands.now += 50
    assert clock.left_s == 8
    assert clock.is_waiting
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
