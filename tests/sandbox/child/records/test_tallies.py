"""Counters and default dicts find a key under any of its spellings."""

import collections
import pickle
import subprocess
import sys
from datetime import date, datetime

import pytest

from rlm_local.sandbox.child.records.dates import Date, DayFirstDate
from rlm_local.sandbox.child.records.ids import Id
from rlm_local.sandbox.child.records.tallies import Counter, defaultdict


def test_a_count_by_id_is_found_under_both_spellings() -> None:
    counts: Counter[object] = Counter(map(Id, ["40117", "40117", "18204"]))
    assert counts["40117"] == counts[40117] == counts[Id("40117")] == 2
    assert counts.get(40117) == counts.get("40117", 0) == 2
    assert counts.get(7, 0) == counts[7] == 0
    assert 18204 in counts
    assert "18204" in counts
    assert 18205 not in counts
    assert max([40117, 18204], key=counts.get) == 40117  # type: ignore[arg-type]  # as cells write it
    assert len(counts) == 2
    assert counts.most_common(1) == [("40117", 2)]


def test_a_count_by_number_is_found_by_its_id() -> None:
    counts: Counter[object] = Counter([40117])
    assert counts[Id("40117")] == 1
    counts[Id("40117")] += 1
    assert counts == {40117: 2}


def test_a_count_by_day_is_found_under_any_form() -> None:
    counts = Counter(map(Date, ["2023-01-06", "2023-01-06"]))
    assert counts["Jan 06, 2023"] == counts[date(2023, 1, 6)] == counts["1/6/2023"] == 2  # type: ignore[index]  # as cells write it
    assert "January 6, 2023" in counts
    assert counts["Jan 07, 2023"] == 0  # type: ignore[index]  # as cells write it


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
        "from rlm_local.sandbox.child.records.ids import Id\n"
        "import collections, copy, pickle\n"
        "forgive_spellings()\n"
        "from collections import Counter as theirs, defaultdict\n"
        "counts = theirs([Id('7'), Id('7')])\n"
        "assert counts[7] == 2 and (counts + counts)[7] == 4 and counts.copy()[7] == 2\n"
        "assert pickle.loads(pickle.dumps(counts)) == copy.deepcopy(counts) == counts\n"
        "assert isinstance(counts, collections.Counter)\n"
        "assert defaultdict(int, {Id('7'): 1})[7] == 1\n"
        "print(repr(counts))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("Counter({'7': 2})\n", "")


def test_counters_of_code_that_was_imported_before_still_add_up() -> None:
    code = (
        "from collections import Counter as before\n"
        "from rlm_local.sandbox.child.records.tallies import forgive_spellings\n"
        "forgive_spellings()\n"
        "from collections import Counter as after\n"
        "one, other = before('ab'), after('b')\n"
        "for left, right in ((one, one), (one, other), (other, one)):\n"
        "    assert left + right and left - right is not None and left | right and left & right\n"
        "assert isinstance(one, after) and not isinstance({}, after)\n"
        "assert sum([one], before()) == one"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr == ""


def test_nothing_is_changed_by_importing() -> None:
    assert collections.Counter is not Counter


def test_plain_keys_are_counted_as_the_library_does() -> None:
    plain = collections.Counter
    for items in ([1, "1", 1], ["2023-01-06", "Jan 06, 2023", "2023-01-06"], "x1 y2 x1"):
        ours, theirs = Counter(items), plain(items)
        assert list(ours.items()) == list(theirs.items())
        assert sum(ours.values()) == len(items)
        ours.update(items)
        theirs.update(items)
        assert ours == theirs
        assert type(ours) is Counter
    assert Counter(["5"])[5] == 0  # type: ignore[index]  # as cells write it
    assert 5 not in Counter[object](["5"])
    assert dict.get is Counter.get  # or the library would not count in its own loop
    tallied: defaultdict[object, int] = defaultdict(int)
    for key in ["5", 5, "5", 5]:
        tallied[key] += 1
    assert tallied == {"5": 2, 5: 2}


def test_a_key_found_under_another_spelling_can_be_taken_out() -> None:
    counts: Counter[object] = Counter([Id("5"), Id("5"), Id("6")])
    assert 5 in counts
    assert counts.pop(5) == 2
    del counts[6]
    del counts[7]
    assert counts == {}
    groups = defaultdict[object, int](int, {Id("5"): 1})
    del groups[5]
    assert groups == {}
    with pytest.raises(KeyError):
        groups.pop(5)


def test_what_is_written_goes_to_the_spelling_that_is_there() -> None:
    counts: Counter[object] = Counter([Id("5")])
    counts[5] += 1
    counts.update([5, Id("5")])
    counts.update({5: 1})
    counts.setdefault(5, 9)
    assert counts == {"5": 5}
    assert sum((counts + counts).values()) == 10
    days = defaultdict[object, int](int)
    days[Date("2023-01-06")] += 1
    days["Jan 06, 2023"] += 1
    assert days == {"2023-01-06": 2}


def test_a_day_first_column_is_counted_with_the_day_first() -> None:
    counts: Counter[object] = Counter([DayFirstDate("2023-06-05")])
    assert counts["05/06/2023"] == 1
    assert counts["06/05/2023"] == 0
    assert counts[datetime(2023, 6, 5)] == 1
    assert counts[datetime(2023, 6, 5, 1)] == 0
