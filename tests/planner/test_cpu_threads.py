import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.planner.cpu_threads import as_ranges, thread_shares
from tests.unhurried import UNHURRIED


@pytest.mark.parametrize(
    ("cores", "quota", "n_servers", "shares"),
    [
        (((0,), (1,)), None, 1, ((0, 1),)),  # a small machine: none is kept free
        (tuple((core,) for core in range(16)), None, 1, ((),)),  # vLLM keeps one free by itself
        (((0,), (1,)), None, 2, ((0,), (1,))),
        (((0, 4), (1, 5), (2, 6), (3, 7)), None, 2, ((0, 1), (2, 3))),  # one thread a core
        (((0, 1),), None, 2, ((0,), (1,))),  # siblings, where there is one core
        (((0,),), None, 2, ((), ())),
        (((0,), (1,), (2,), (3,)), 2.0, 1, ((0, 1),)),
        (((0,), (1,), (2,), (3,)), 0.5, 1, ((0,),)),
        (((0,), (1,), (2,), (3,)), 2.0, 2, ((0,), (1,))),
        (((0,), (1,), (2,)), None, 2, ((0, 1), (2,))),
    ],
)
def test_shares(
    cores: tuple[tuple[int, ...], ...],
    quota: float | None,
    n_servers: int,
    shares: tuple[tuple[int, ...], ...],
) -> None:
    assert thread_shares(cores, quota, n_servers) == shares


@UNHURRIED
@given(
    st.integers(1, 64), st.sampled_from([1, 2]), st.none() | st.floats(0.1, 80), st.integers(1, 3)
)
def test_no_core_is_in_two_shares(
    n_cores: int, siblings: int, quota: float | None, n_servers: int
) -> None:
    cores = [tuple(range(k, n_cores * siblings, n_cores)) for k in range(n_cores)]

    shares = thread_shares(cores, quota, n_servers)

    bound = [core for share in shares for core in share]
    assert len(shares) == n_servers
    assert len(bound) == len(set(bound))
    assert all(shares) or not any(shares)


@pytest.mark.parametrize(
    ("cores", "text"), [((), ""), ((3,), "3"), ((0, 1, 2, 8), "0-2,8"), ((5, 4), "4-5")]
)
def test_ranges_are_spelled_as_vllm_reads_them(cores: tuple[int, ...], text: str) -> None:
    assert as_ranges(cores) == text
