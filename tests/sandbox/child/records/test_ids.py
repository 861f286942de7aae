"""Ids compare with texts and with numbers, in the ways cells write it."""

import pytest

from rlm_local.sandbox.child.records.ids import Id


def test_an_id_is_equal_to_both_spellings() -> None:
    user = Id("40117")
    assert user == "40117"
    assert user == 40117
    assert user == 40117
    assert user == 40117.0
    assert user != "40118"
    assert user != 40118
    assert user != None  # noqa: E711  # as cells write it
    assert user not in (True, [], "4011")


def test_an_id_is_found_in_lists_of_either_spelling() -> None:
    assert Id("82498") in [82498, 51765]
    assert Id("82498") in ["82498", "51765"]
    assert Id("82498") in (82498,)
    assert [Id("82498"), Id("1")].index(1) == 1  # type: ignore[arg-type]  # as cells write it
    assert [Id("1"), Id("2")].count(1) == 1  # type: ignore[arg-type]  # as cells write it


def test_a_set_or_a_dict_of_texts_finds_an_id() -> None:
    assert Id("82498") in {"82498"}
    by_id: dict[object, str] = {Id("82498"): "x"}
    assert by_id["82498"] == "x"
    assert hash(Id("7")) == hash("7")


def test_ids_sort_as_numbers() -> None:
    assert sorted([Id("10"), Id("9"), Id("100")]) == ["9", "10", "100"]
    assert max(Id("9"), Id("10")) == "10"
    assert sorted([Id("10"), "9", Id("8")]) == ["8", "9", "10"]


@pytest.mark.parametrize("other", [50, "50", 50.0])
def test_ids_are_ordered_among_numbers_of_any_spelling(other: object) -> None:
    assert Id("9") < other
    assert Id("9") <= other
    assert Id("100") > other
    assert Id("50") >= other
    assert not Id("50") < other


def test_a_word_that_is_no_number_is_compared_as_text() -> None:
    assert Id("9") < "abc"
    assert Id("9") > ""


def test_a_thing_that_is_neither_is_refused() -> None:
    with pytest.raises(TypeError, match="an id cannot be compared with a list"):
        assert Id("9") < []


def test_an_id_is_written_as_a_text_and_as_a_number() -> None:
    user = Id("40117")
    assert f"User: {user}" == "User: 40117"
    assert f"{user:>7}|{user:,}|{user:07d}" == "  40117|40,117|0040117"
    assert "%s %d" % (user, user) == "40117 40117"  # noqa: UP031  # as cells write it
    assert user.startswith("40")
    assert user + "x" == "40117x"
    assert int(user) + 1 == 40118
    assert [*range(3)][Id("2")] == 2
    assert type(str(user)) is str


def test_an_id_of_zero_is_false_as_its_number_is() -> None:
    assert not Id("0")
    assert not Id("000")
    assert Id("10")
