import argparse
from pathlib import Path

from benchmarks.instant import InstantEndpoint
from benchmarks.instant_server import Rule
from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.label_rows import label_outcomes
from benchmarks.tasks.plan import LabelRow

ROW = LabelRow(name="labels", source="sms", lines=6, bar=0.9)


def test_every_line_is_an_outcome_scored_by_its_label(data: DataFolder, home_here: Path) -> None:
    with InstantEndpoint() as server:
        server.set_rules([Rule("", ["ham"])])
        arguments = argparse.Namespace(
            base_url=server.base_url, root="root", worker="worker", api_key=None, stack="auto"
        )
        done = label_outcomes(ROW, 6, 3, data, arguments)
        assert {exchange.model for exchange in server.log()} == {"worker"}
    assert len({one.name for one in done}) == len({one.context for one in done}) == 6
    assert [one.score for one in done] == [float(one.truth == ["ham"]) for one in done]
    assert {one.kind for one in done} == {"labels"}
    assert 0 < sum(one.score for one in done) < 6
