"""A session in which REPLs die all the time holds no more at its end; the long form is a benchmark.

`python -m benchmarks.sandbox_soak` does 10,000 cells and 200 restarts and looks at memory too.
"""

from dataclasses import replace

import pytest

from benchmarks.repls import text_of
from benchmarks.sandbox_soak import COUNTED, Holdings, Soak, grown

N_CELLS, N_RESTARTS = 300, 10


async def test_after_many_cells_and_restarts_descriptors_and_processes_are_as_before() -> None:
    with text_of(100_000) as context:
        holdings = await Soak(cells=N_CELLS, restarts=N_RESTARTS, samples=5).run(context)
    assert holdings[-1].cells >= N_CELLS
    assert holdings[-1].restarts >= N_RESTARTS
    assert holdings[1].processes >= 2  # template and REPL: they are seen while they live
    assert grown(holdings) == []


def _moment(held: int) -> Holdings:
    return Holdings(0, 0, 1 << 20, held, held, 0, held, 9, 1 << 20, held)


@pytest.mark.parametrize("name", COUNTED)
def test_one_thing_more_than_before_is_told(name: str) -> None:
    calm = [_moment(1), _moment(5), _moment(5), _moment(1)]
    assert grown(calm) == []
    at_the_end = [*calm[:3], replace(calm[3], **{name: 2})]
    assert name in " ".join(grown(at_the_end))
    meanwhile = [*calm[:2], replace(calm[2], **{name: 6}), calm[3]]
    assert name in " ".join(grown(meanwhile))
