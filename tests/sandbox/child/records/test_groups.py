from collections.abc import Container
from datetime import date

import pytest

from rlm_local.sandbox.child.answers import answer_text
from rlm_local.sandbox.child.records.groups import Group, Grouping, Pairs, pairs_of
from rlm_local.sandbox.child.records.judging import judged
from rlm_local.sandbox.child.records.record import Record
from tests.sandbox.child.records.given import FakeLabeller, names_of

CSV = """\
when,customer,status,note
2021-05-10,40117,late,a kettle
2020-05-01,40117,late,two cups
2021-05-11,40117,lost,a late delivery of jam
2021-05-15,9020,Late,a lamp
2021-07-01,9020,damaged,rope
2021-09-01,66250,damaged,tar
,70001,lost,oars
2021-01-01,,lost,oil
"""
LINES = "\n".join(
    f"Date: Jan {day:02d}, 2021 || User: {user} || Review: {word} teapot"
    for day, user, word in ((1, 7001, "dull"), (2, 7001, "lovely"), (3, 7002, "lovely"))
)
ABOUT = "Each review can be described as one of 3 kinds: 'glowing', 'mixed', 'harsh'.\n\n"


def _grouped(text: str = CSV, by: str = "customer") -> dict[object, Group]:
    names = names_of(text)
    names.read()
    return dict(Grouping(names.table).groups(names.table.rows, by))


@pytest.fixture
def parcels() -> dict[object, Group]:
    return _grouped()


def test_each_group_holds_its_records_and_none_those_without_the_value(
    parcels: dict[object, Group],
) -> None:
    assert {str(name): len(group) for name, group in parcels.items()} == {
        "40117": 3, "9020": 2, "66250": 1, "70001": 1,
    }  # fmt: skip
    assert repr(parcels["9020"]) == "<group of 2 records>"


def test_a_group_is_found_under_its_number_too() -> None:
    names = names_of(CSV)
    names.read()
    groups = Grouping(names.table).groups(names.table.rows, "customer")
    assert groups[40117] is groups["40117"]


def test_records_are_grouped_by_a_function() -> None:
    names = names_of(CSV)
    names.read()

    def initial(row: Record) -> str:
        return str(row["note"])[0]

    groups = Grouping(names.table).groups(names.table.rows, initial)
    assert {name: len(group) for name, group in groups.items()} == {
        "a": 3, "t": 2, "r": 1, "o": 2,
    }  # fmt: skip


def test_values_are_counted_in_whatever_field_and_case_they_stand(
    parcels: dict[object, Group],
) -> None:
    assert parcels["40117"].count("late") == 2
    assert parcels["9020"].count("late") == 1
    assert parcels["40117"].count("late", "lost") == parcels["40117"].count(["late", "lost"]) == 3
    assert parcels["40117"].count() == 3
    assert parcels["40117"].count(status="lost") == 1
    assert parcels["40117"].count(status="rope") == 0
    assert parcels["40117"].count("nowhere") == 0


def test_free_text_that_holds_the_word_does_not_count(parcels: dict[object, Group]) -> None:
    assert parcels["40117"].count("lost") == 1
    assert not parcels["66250"].has("late")


def test_numbers_are_asked_for_in_the_words_of_a_question(parcels: dict[object, Group]) -> None:
    one, other = parcels["40117"], parcels["9020"]
    assert one.at_least(2, "late")
    assert not other.at_least(2, "late")
    assert other.exactly(1, "late")
    assert not one.exactly(1, "late")
    assert other.at_most(1, "late")
    assert not one.at_most(1, "late")
    assert one.exactly(0, "damaged")
    assert other.at_least(1, "damaged", "lost")
    assert one.at_least("late", 2)
    with pytest.raises(TypeError, match=r"how many\? u.at_least\(2, 'late'\)"):
        one.at_least("late")


def test_a_value_is_in_a_group_and_so_is_a_record(parcels: dict[object, Group]) -> None:
    group: Container[object] = parcels["9020"]
    assert "late" in group
    assert "lost" not in group
    assert parcels["9020"][0] in group
    assert parcels["66250"][0] not in group


def test_records_without_a_date_are_on_neither_side_of_a_day(
    parcels: dict[object, Group],
) -> None:
    assert parcels["40117"].count("late", after="3 May 2021") == 1
    assert parcels["40117"].count("late", before="2021-05-10") == 1
    assert parcels["40117"].count("late", after="1 May 2020", before="10 May 2021") == 0
    assert parcels["70001"].count(after="1 May 2000") == parcels["70001"].count(before="2030") == 0


def test_all_of_a_value_lie_on_one_side_of_a_day_also_where_there_is_none(
    parcels: dict[object, Group],
) -> None:
    assert not parcels["40117"].all_after("late", "3 May 2021")
    assert parcels["40117"].all_after("lost", "3 May 2021")
    assert parcels["40117"].all_before("late", "May 11, 2021")
    assert not parcels["40117"].all_before("late", "May 10, 2021")
    assert parcels["66250"].all_after("late", "3 May 2021")
    assert parcels["40117"].all_before("May 11, 2021", "late")
    assert not parcels["40117"].all_after(date(2021, 5, 3), "late")
    assert parcels["66250"].all_before("late", "3 May 2021")
    assert [str(day) for day in parcels["40117"].dates("late")] == ["2020-05-01", "2021-05-10"]


def test_what_is_no_date_or_has_none_is_said(parcels: dict[object, Group]) -> None:
    with pytest.raises(ValueError, match=r"no date among \('late', 'noon'\); u.all_after"):
        parcels["9020"].all_after("late", "noon")
    with pytest.raises(ValueError, match=r"no date among \('late', None\)"):
        parcels["9020"].all_before("late", None)
    with pytest.raises(ValueError, match="'then' is no date"):
        parcels["9020"].count("late", after="then")
    dateless = _grouped("name,colour\nAnn,red\nBob,blue\n", "name")
    with pytest.raises(ValueError, match=r"no one field of dates: .* name, colour"):
        dateless["Ann"].dates()


def test_a_field_that_there_is_not_is_said(parcels: dict[object, Group]) -> None:
    with pytest.raises(ValueError, match="no field 'colour'; the records have when, customer"):
        parcels["9020"].count(colour="red")


def test_a_value_of_several_fields_needs_the_fields_name() -> None:
    groups = _grouped("name,risk,rank\nAnn,high,low\nBob,low,high\n", "name")
    with pytest.raises(ValueError, match=r"'high' is a value of risk and of rank; say which: u.c"):
        groups["Ann"].count("high")
    assert groups["Ann"].count(risk="high") == groups["Bob"].count(rank="high") == 1
    assert groups["Ann"].count(rank="high") == 0


def test_a_field_defined_later_has_its_values() -> None:
    names = names_of(CSV, labeller=FakeLabeller(lambda text: "food" if "jam" in text else "goods"))
    names.read()
    group = Grouping(names.table).groups(names.table.rows, "customer")["40117"]
    assert group.count("food") == 0
    names.table.define("sort", judged(["food", "goods"]))
    assert group.count("food") == 1


def test_labels_are_judged_when_one_is_asked_for_and_others_are_refused() -> None:
    labeller = FakeLabeller(lambda text: "glowing" if "lovely" in text else "harsh")
    names = names_of(ABOUT + LINES + "\n", labeller=labeller)
    records = names.values()["records"]
    assert isinstance(records, list)
    groups = Grouping(names.table).groups(records, "user")
    assert labeller.asked == []
    assert groups["7001"].exactly(1, "Glowing")
    assert groups["7002"].exactly(1, "glowing")
    assert groups["7002"].count("harsh") == groups["7002"].count("mixed") == 0
    assert len(labeller.asked) == 1
    with pytest.raises(
        ValueError, match="no record is 'lovely'; the labels are glowing, mixed, harsh"
    ):
        groups["7002"].count("lovely")


def test_pairs_are_of_two_that_both_fit_the_lower_number_first(
    parcels: dict[object, Group],
) -> None:
    def fits(user: Group) -> bool:
        return user.has("late", "damaged")

    assert pairs_of(parcels, both=fits) == pairs_of(parcels, fits)
    assert str(pairs_of(parcels, fits)) == "(9020, 40117)\n(9020, 66250)\n(40117, 66250)"


def test_pairs_of_one_and_another_are_found_either_way_round_and_once(
    parcels: dict[object, Group],
) -> None:
    def one(user: Group) -> bool:
        return user.has("late")

    def other(user: Group) -> bool:
        return user.exactly(1, "damaged")

    expected = "(9020, 40117)\n(9020, 66250)\n(40117, 66250)"
    assert str(pairs_of(parcels, one, other)) == str(pairs_of(parcels, other, one)) == expected
    assert len(pairs_of(parcels, one, other, both=lambda user: len(user) > 1)) == 1


def test_of_several_tests_all_must_be_passed(parcels: dict[object, Group]) -> None:
    def dated(user: Group) -> bool:
        return user.all_after("late", "3 May 2021")

    def has(user: Group) -> bool:
        return user.has("late", "damaged")

    assert str(pairs_of(parcels, both=[has, dated])) == "(9020, 66250)"
    assert str(pairs_of(parcels, [has, dated], has)) == (
        "(9020, 40117)\n(9020, 66250)\n(40117, 66250)"
    )


def test_findings_side_by_side_must_all_be_true(parcels: dict[object, Group]) -> None:
    found = pairs_of(parcels, both=lambda u: (u.has("late"), u.has("damaged")))
    assert found == []
    assert len(pairs_of(parcels, both=lambda u: [u.has("late", "lost"), len(u) < 3])) == 1


def test_names_alone_are_all_paired() -> None:
    assert pairs_of(["b", "a", "b", "c"]) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert pairs_of([3, "x"]) == [(3, "x")]
    with pytest.raises(TypeError, match="tests groups, not a list"):
        pairs_of(["a", "b"], both=lambda user: True)


def test_pairs_are_given_as_lines_and_none_as_words() -> None:
    assert answer_text(Pairs([("a", "b"), ("a", "c")])) == "(a, b)\n(a, c)"
    assert answer_text(Pairs()) == "no pairs"
    assert repr(Pairs((n, n + 1) for n in range(30))).endswith("\n... and 10 more pairs")
