"""Counters and default dicts find a key under any of its spellings."""

import collections
import pickle
import subprocess
import sys
from datetime import date

from rlm_local.sandbox.child.records.dates import Date
from rlm_local.sandbox.child.records.ids import Id
from rlm_local.sandbox.child.records.tallies import Counter, defaultdict


def test_a_count_by_id_is_found_under_both_spellings() -> None:
    counts = Counter(map(Id, ["40117", "40117", "18204"]))
    assert counts["40117"] == counts[40117] == counts[Id("40117")] == 2  # type: ignore[index]
    assert counts.get(40117) == counts.get("40117", 0) == 2
    assert counts.get(7, 0) == counts[7] == 0  # type: ignore[index]
    assert 18204 in counts
    assert "18204" in counts
    assert 18205 not in counts
    assert max([40117, 18204], key=counts.get) == 40117  # type: ignore[arg-type]  # as cells do
    assert len(counts) == 2
    assert counts.most_common(1) == [("40117", 2)]


def test_a_count_by_number_is_found_by_its_text() -> None:
    counts = Counter([40117])
    assert counts["40117"] == 1  # type: ignore[index]
    assert counts.get("40117") == 1


def test_a_count_by_day_is_found_under_any_form() -> None:
    counts = Counter(map(Date, ["2023-01-06", "2023-01-06"]))
    assert counts["Jan 06, 2023"] == counts[date(2023, 1, 6)] == counts["1/6/2023"] == 2  # type: ignore[index]
    assert "January 6, 2023" in counts
    assert counts["Jan 07, 2023"] == 0  # type: ignore[index]


def test_words_are_counted_as_ever() -> None:
    counts = Counter(["a", "b", "a"])
    counts.update(["b", "c"])
    counts["d"] += 2
    assert counts == {"a": 2, "b": 2, "c": 1, "d": 2}
    assert (counts + Counter(a=1))["a"] == 3
    assert repr(Counter(a=1)) == "Counter({'a': 1})"
    assert pickle.loads(pickle.dumps(Counter.__mro__[1]("ab"))) == {"a": 1, "b": 1}


def test_a_default_dict_looks_under_other_spellings_before_it_makes_a_value() -> None:
    groups: defaultdict[object, list[int]] = defaultdict(list)
    groups[Id("7")].append(1)
    groups[7].append(2)
    groups["8"].append(3)
    assert groups == {"7": [1, 2], "8": [3]}
    assert 7 in groups
    assert 9 not in groups
    assert groups.get(7) == [1, 2]
    assert groups.get(9) is None


def test_in_a_repl_the_library_gives_these() -> None:
    code = (
        "from rlm_local.sandbox.child.records.tallies import Counter, forgive_spellings\n"
        "import collections, copy, pickle\n"
        "forgive_spellings()\n"
        "from collections import Counter as theirs, defaultdict\n"
        "counts = theirs(['7', '7'])\n"
        "assert counts[7] == 2 and (counts + counts)[7] == 4 and counts.copy()[7] == 2\n"
        "assert pickle.loads(pickle.dumps(counts)) == copy.deepcopy(counts) == counts\n"
        "assert isinstance(counts, collections.Counter)\n"
        "assert defaultdict(int, {'7': 1})[7] == 1\n"
        "print(repr(counts))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("Counter({'7': 2})\n", "")


def test_nothing_is_changed_by_importing() -> None:
    assert collections.Counter is not Counter
