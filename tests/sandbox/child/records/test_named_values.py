"""What fields are good for, and which of their values a question names."""

from rlm_local.sandbox.child.records.named_values import field_types, values_named
from rlm_local.sandbox.child.records.table import Table
from tests.sandbox.child.records.given import names_of, reviews

NOTES = ("The crane on the north quay is broken again", "Nobody came to fetch the two boats")
ROWS = "".join(
    f"{100 + i},{('Ann Holt', 'Bo Lee')[i % 2]},{('open', 'in progress')[i * 3 % 2]},"
    f"{(200, 404)[i % 2]},{i}.5,{i % 5},2023-05-{i % 28 + 1:02d},{NOTES[i % 2]} {i}\n"
    for i in range(40)
)
TEXT = f"order_id,customer,state,code,amount,stars,day,note\n{ROWS}"


def table_of(text: str) -> Table:
    names = names_of(text)
    names.read()
    return names.table


def named_in(table: Table, question: str) -> list[tuple[str, str]]:
    return values_named(table, question, field_types(table))


TABLE = table_of(TEXT)


def test_each_field_is_told_by_what_it_is_good_for() -> None:
    assert dict(zip(TABLE.names, field_types(TABLE), strict=True)) == {
        "order_id": "unique", "customer": "text", "state": "text", "code": "few numbers",
        "amount": "number", "stars": "grade", "day": "date", "note": "free text",
    }  # fmt: skip
    log = table_of(
        "".join(f"2023-05-01 10:00:{i:02d} INFO: the pump is on again\n" for i in range(40))
    )
    assert named_in(log, "How many infos?") == [("level", "INFO")]
    assert field_types(log)[-1] == "free text"  # the same again and again, and still sentences
    labelled = table_of(reviews(12))
    assert field_types(labelled)[-1] == "judged"
    assert len(field_types(table_of(""))) == 0


def test_values_are_named_by_their_words() -> None:
    asked = "How many open orders of ann holt failed with a 404, order 117 aside?"
    assert named_in(TABLE, asked) == [
        ("order_id", "117"), ("customer", "Ann Holt"), ("state", "open"), ("code", "404"),
    ]  # fmt: skip
    assert named_in(TABLE, "Which are in progress?") == [("state", "in progress")]


def test_parts_of_words_and_amounts_are_no_values() -> None:
    for asked in ("How many were opened?", "Are there amounts above 3.5?", "Holt?", "", "3 stars"):
        assert named_in(TABLE, asked) == []


def test_a_field_of_yes_and_no_is_named_by_its_own_name() -> None:
    table = table_of(
        "id,town,sold\n" + "".join(f"{i},Lund,{('Yes', 'no')[i % 2]}\n" for i in range(30))
    )
    assert named_in(table, "How many were not sold?") == [("sold", "Yes")]
    assert named_in(table, "Which are unsold?") == [("sold", "Yes")]
    assert named_in(table, "How many, yes or no?") == []
    table = table_of(
        "".join(f'{{"n": {i}, "is_sold": {str(i % 2 > 0).lower()}}}\n' for i in range(9))
    )
    assert named_in(table, "How many were sold?") == [("is_sold", "True")]


def test_a_name_in_capitals_is_no_small_word() -> None:
    table = table_of("id,team\n" + "".join(f"{i},{('IT', 'Law')[i % 2]}\n" for i in range(30)))
    assert named_in(table, "How many are in IT?") == [("team", "IT")]
    assert named_in(table, "How large is it?") == []


def test_a_value_within_a_longer_one_that_is_named_is_not_meant() -> None:
    table = table_of("id,town,size\n" + "".join(
        f"{i},{('York', 'New York', 'Lund')[i % 3]},{i}\n" for i in range(30)
    ))  # fmt: skip
    assert named_in(table, "How many are from New York?") == [("town", "New York")]
    assert named_in(table, "How many are from York?") == [("town", "York")]


def test_at_most_a_dozen_are_told() -> None:
    table = table_of("id,town\n" + "".join(f"{i},town{i}\n" for i in range(30)))
    asked = " ".join(f"town{i}" for i in range(30))
    assert len(named_in(table, asked)) == 12
