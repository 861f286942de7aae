from rlm_local.sandbox.child.lookout import Lookout


class _Source:
    """Something is there from the given question on."""

    def __init__(self, *, there_after: int) -> None:
        self.asked = 0
        self._there_after = there_after

    def poll(self, timeout_ms: int) -> list[int]:
        assert timeout_ms == 0
        self.asked += 1
        return [1] if self.asked > self._there_after else []


def test_what_comes_while_it_looks_is_seen_each_time() -> None:
    source = _Source(there_after=5)
    lookout = Lookout(source.poll, 60)
    assert all(lookout.sees() for _ in range(100))
    assert source.asked == 105


def test_after_a_look_in_vain_it_is_left_out_for_a_while_and_tried_again() -> None:
    source = _Source(there_after=1)
    lookout = Lookout(source.poll, -1.0)
    assert not lookout.sees()
    seen = [lookout.sees() for _ in range(18)]
    assert seen.index(True) == 16
    assert source.asked == 3


def test_where_it_is_always_in_vain_most_waits_are_without_a_look() -> None:
    source = _Source(there_after=1 << 30)
    lookout = Lookout(source.poll, -1.0)
    assert not any(lookout.sees() for _ in range(17_000))
    assert source.asked == 1000
