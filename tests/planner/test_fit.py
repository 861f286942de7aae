import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.planner.fit import Ask, Room, fit, gib
from rlm_local.planner.kv_cache import CacheSettings, plain_kv_cache
from tests.unhurried import UNHURRIED

_MIB = 1 << 20


def _ask(
    *, weights: int = 1000, window: int = 16384, kv: int | None = None, per_token: int = 1024
) -> Ask:
    """Sizes in MiB, but for the bytes of a token."""
    return Ask(
        model="m",
        weight_bytes=weights * _MIB,
        overhead_bytes=100 * _MIB,
        cache=plain_kv_cache(per_token, CacheSettings(block_tokens=1)),
        window_tokens=window,
        kv_cache_bytes=None if kv is None else kv * _MIB,
    )


def _room(free: int, *, card: bool = False) -> Room:
    return Room("memory", free * _MIB, 50 * _MIB, is_ours_alone=card)


_asks = st.builds(
    _ask,
    weights=st.integers(1, 4000),
    window=st.integers(1, 65536),
    kv=st.none() | st.integers(1, 500),
    per_token=st.integers(1, 200_000),
)


@UNHURRIED
@given(st.lists(_asks, min_size=1, max_size=2), st.integers(0, 10_000), st.booleans())
def test_what_fits_is_within_the_room_and_holds_one_sequence(
    asks: list[Ask], free: int, card: bool
) -> None:
    room = _room(free, card=card)

    found = fit(asks, room)

    if found is None:
        return
    taken = sum(ask.fixed_bytes + one.kv_cache_bytes for ask, one in zip(asks, found, strict=True))
    assert taken <= room.usable_bytes
    for ask, one in zip(asks, found, strict=True):
        assert ask.cache.least_bytes(one.window_tokens) <= one.kv_cache_bytes
        assert ask.least_window_tokens <= one.window_tokens <= ask.window_tokens
        assert bool(one.cuts) >= (one.window_tokens < ask.window_tokens), "a cut is told"


@UNHURRIED
@given(_asks, st.integers(0, 10_000))
def test_more_room_never_fits_less(ask: Ask, free: int) -> None:
    small, large = fit([ask], _room(free)), fit([ask], _room(free + 100))

    if small is not None:
        assert large is not None
        assert large[0].window_tokens >= small[0].window_tokens


def test_a_kv_cache_that_was_asked_for_is_given_as_asked() -> None:
    (one,) = fit([_ask(kv=64)], _room(5000, card=True)) or ()

    assert one.kv_cache_bytes == 64 * _MIB
    assert one.cuts == ()


def test_on_a_card_what_is_left_is_all_kv_cache() -> None:
    (one,) = fit([_ask()], _room(5000, card=True)) or ()

    assert one.kv_cache_bytes == (5000 - 50 - 1100) * _MIB


def test_in_memory_only_a_few_windows_are_taken() -> None:
    (one,) = fit([_ask()], _room(5000)) or ()

    assert one.kv_cache_bytes == (4 * 16384 + 1) * 1024, "and the block that is never given out"


@pytest.mark.parametrize(
    ("free", "window"),
    [
        (50 + 1100 + 17, 16384),
        (50 + 1100 + 16, 16128),  # one block of the pool is never given out
        (50 + 1100 + 13, 13056),
        (50 + 1100 + 9, 8960),
        (50 + 1100 + 8, None),
        (50 + 1100, None),
        (0, None),
    ],
)
def test_the_window_shrinks_to_its_floor_and_no_further(free: int, window: int | None) -> None:
    found = fit([_ask()], _room(free))

    assert (found and found[0].window_tokens) == window


def test_bytes_are_written_for_a_person() -> None:
    assert gib(1610612736) == "1.5 GiB"
