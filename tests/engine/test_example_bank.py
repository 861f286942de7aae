import re
from importlib import resources

import pytest

from rlm_local.engine.example_bank import Example, bank, pick, read_examples
from rlm_local.engine.look import Look, Shape
from rlm_local.engine.question_kinds import WHATS, Kind, kinds_of
from rlm_local.engine.syntax import called_names, syntax_error
from rlm_local.errors import ConfigError
from tests.engine.bank_worlds import WORLDS, run_cell

ANSWERS = {
    "labels": {
        "label.extreme": "Kind: harsh",
        "label.second": "Kind: harsh",
        "label.count": "Total: 1",
        "label.compare": "Result: harsh is scarcer than glowing",
        "label.share": "28.6%",
        "label.each": "glowing: 4, mixed: 2, harsh: 1",
    },
    "label-parts": {
        "label.extreme in users": "Topic: phones",
        "label.second in users": "Topic: phones",
        "label.count in users": "Total: 2",
        "label.compare in users": "Result: phones come below printing",
        "label.extreme in range": "Topic: phones",
        "label.second in range": "Topic: phones",
        "label.count in range": "Total: 1",
        "label.compare in range": "Result: printing comes below passwords",
        "label.extreme in month": "Topic: phones",
        "label.second in month": "Topic: phones",
        "label.count in month": "Total: 1",
        "label.compare in month": "Result: printing comes above passwords",
        "label.extreme in month_year": "Topic: phones",
        "label.count in month_year": "Total: 1",
        "label.extreme in year": "Topic: passwords",
        "label.count in year": "Total: 2",
        "label.extreme in before": "Topic: passwords",
        "label.count in before": "Total: 4",
        "label.extreme in after": "Topic: phones",
        "label.count in after": "Total: 3",
    },
    "users": {
        "user.extreme": "Sender: 66250",
        "user.second": "Sender: 70001",
        "user.label_extreme": "Sender: 66250",
        "user.label_second": "Sender: 66250",
        "user.or_user": "Sender: 18204",
        "user.distinct": "4",
        "user.with_label": "1",
        "user.threshold": "3",
        "user.threshold_list": "18204",
        "user.conditions": "18204",
        "user.conditions_count": "1",
        "user.extreme in users": "Sender: 66250",
        "user.second in users": "Sender: 66250",
        "user.label_extreme in users": "Sender: 66250",
        "user.label_extreme in range": "Sender: 18204",
        "user.extreme in month": "Sender: 18204",
        "user.distinct in after": "3",
    },
    "times": {
        "date.extreme": "Day: 2020-06-03",
        "date.second": "Day: 2020-05-02",
        "date.times": "Total: 4",
        "period.compare": "Result: the tug is scarcer before 2020-06-04",
        "month.first": "Month: May 2020",
        "month.above": "Total: 2",
        "month.top": "Total: 1",
        "month.extreme": "Month: 2020-06",
    },
    "pairs": {
        "pairs.both": "(18204, 40117)\n(18204, 66250)\n(18204, 70001)\n"
        "(40117, 66250)\n(40117, 70001)\n(66250, 70001)",
        "pairs.both_dated": "(18204, 66250)\n(18204, 70001)\n(66250, 70001)",
        "pairs.one_other": "(18204, 40117)\n(40117, 70001)",
        "pairs.one_alone": "(40117, 70001)",
    },
    "numbers": {
        "number.total": "80.0",
        "number.average": "20.00",
        "number.extreme": "tar: 7.5",
        "number.group": "30516: 10.00, 82277: 20.00, 90000: 40.00",
        "number.total in year": "52.5",
        "number.total in users": "40.0",
        "number.average in range": "13.75",
    },
    "fields": {
        "field.count": "4",
        "field.count in month": "1",
        "field.count in month_year": "1",
        "field.count in range": "3",
        "field.count in day": "1",
        "field.list": "Finn",
        "field.value": "Quay",
        "field.share": "50.0%",
        "field.compare": "lost",
        "field.extreme": "Park",
        "field.extreme in value": "Quay",
        "field.second": "Park",
        "field.top": "Park: 1, Quay: 3",
        "field.each": "Mill Lane: 4, Quay: 3, Park: 1",
        "field.each in value": "Mill Lane: 2, Quay: 1, Park: 1",
        "field.distinct": "3",
        "field.distinct in value": "3",
        "field.names": "Mill Lane, Park, Quay",
        "field.threshold": "1",
        "field.threshold_list": "Park",
        "field.first": "2021-09-01 17:20:00, Park",
        "field.first in value": "2021-09-01 17:20:00",
        "number.total in value": "28.5",
        "number.average in value": "7.12",
        "number.extreme in value": "5006: 2.5",
        "number.above": "3",
        "number.above_list": "5001, 5002, 5006",
        "number.top": "5006: 2.5, 5002: 3",
        "number.group_most": "Mill Lane: 3, Quay: 8, Park: 2.5",
        "number.group_extreme": "Park",
        "number.group_top": "Park: 2.5, Mill Lane: 22.5",
        "number.period": "2020-05: 36, 2021-05: 7.5, 2021-06: 21.5, 2021-08: 8, 2021-09: 2.5",
        "date.each": "2020-05: 2, 2021-05: 2, 2021-06: 2, 2021-08: 1, 2021-09: 1",
        "date.extreme in value": "2021-05-10",
        "month.busiest": "2021-08",
        "hour.extreme": "12",
        "record.count in month": "4",
        "record.count in month_year": "2",
        "record.count in before": "5",
        "record.count in day": "1",
    },
    "records": {
        "record.count": "4",
        "record.count in users": "1",
        "record.count in range": "2",
        "record.find": "2021-05-12 30516 Broken crane on the north quay.\n",
        "record.find in users": "Broken crane on the north quay.\n",
        "record.list": "2021-05-02, 2021-06-20, 2021-09-01",
        "record.first": "2021-05-02",
        "word.count": "2",
        "judge.count": "1",
        "judge.list": "2021-06-20",
    },
    "code": {
        "code.definition": "File: kettle.py",
        "code.override": "Class: SteelKettle",
        "code.default": "Value: 96.5",
        "code.caller": "Caller: Waiter.serve",
    },
    "texts": {
        "text.copy": "plums, flour\n  and butter",
        "text.chain": "kiln, oven, pan",
        "text.frequent": "egg, salt, leek, dill",
        "text.state": "kitchen",
        "text.state_item": "cellar",
        "text.summary": "(Sum up in three sentences what the notebook tells about bread.)",
    },
    "lookups": {
        "lookup.value": "the widow Tessen",
        "lookup.values": "4471, 9020",
        "lookup.keys": "4471, 9020, 3108",
        "lookup.hops": "Found for Ida Ormsby school town\n",
        "lookup.either": "Skarvik",
        "lookup.yes_no": "no",
        "lookup.document": "parts/2019/valves.txt",
    },
}
"""What each example gives over its world, worked out by hand."""
RECORDS = Look(
    "records", fields=("date", "user", "text", "label"), labels=("bolt", "nut", "washer")
)


def _files() -> dict[str, list[Example]]:
    folder = resources.files("rlm_local.engine") / "prompts" / "bank"
    return {
        file.name.removesuffix(".md"): read_examples(file.name, file.read_text("utf-8"))
        for file in folder.iterdir()
    }


FILES = _files()
EVERY = [(file, example) for file, examples in FILES.items() for example in examples]


@pytest.mark.parametrize(
    ("file", "example"), EVERY, ids=[f"{file}: {example.kind}" for file, example in EVERY]
)
def test_a_cell_gives_the_right_answer(file: str, example: Example) -> None:
    world = WORLDS["words" if example.kind.what == "text.frequent" else file]
    final, printed = run_cell(example.code, world)
    assert (final if final is not None else printed) == ANSWERS[file][str(example.kind)]


def test_every_answer_that_was_worked_out_has_its_example() -> None:
    assert {file: {str(one.kind) for one in its} for file, its in FILES.items()} == {
        file: set(answers) for file, answers in ANSWERS.items()
    }


def test_every_kind_has_an_example() -> None:
    assert {kind.what for kind in bank()} == set(WHATS)
    assert all(Kind(what) in bank() for what in WHATS)


def test_cells_are_short_and_import_nothing() -> None:
    for _, example in EVERY:
        assert syntax_error(example.code) is None
        assert "import" not in example.code
        assert len(example.code.splitlines()) <= 10
        assert len(example.code) <= 620
        assert called_names(example.code) & {"FINAL", "print"}


def test_an_example_is_taken_for_its_own_kind() -> None:
    """So that the rules know at least what the bank can answer."""
    shapes: dict[str, Shape] = {"code": "code", "texts": "text", "lookups": "documents"}
    labels = {"labels": "glowing mixed harsh", "label-parts": "printing passwords phones"}
    labels |= {"users": "late lost damaged", "pairs": "late lost damaged"}
    wrong = []
    for file, example in EVERY:
        shape = shapes.get(file, "records")
        names = labels.get(file, "tug ferry trawler" if file == "times" else "").split()
        fields = ("date", "user", "text", "amount")
        look = hires(example.question) if file == "fields" else None
        ranked = kinds_of(example.question, shape, fields, names, look=look)
        if ranked[:1] != (example.kind,):
            wrong.append((str(example.kind), [str(kind) for kind in ranked]))
    assert wrong == []


def hires(question: str) -> Look:
    """What is known of the hires, and which of their values a question names."""
    types = {
        "hire": "unique", "station": "text", "rider": "text", "state": "text", "amount": "number",
        "date": "time",
    }  # fmt: skip
    values = {"late": "state", "lost": "state", "5003": "hire"}
    named = tuple((field, value) for value, field in values.items() if value in question)
    return Look("records", fields=tuple(types), types=tuple(types.values()), named=named)


def test_two_examples_are_picked_the_own_kind_first() -> None:
    picked = pick("Which label is the most common among the parts of user 12345?", RECORDS)
    assert (picked.kind, picked.coverage) == ("label.extreme in users", "shown")
    assert [one.kind for one in picked.examples] == [
        Kind("label.extreme", "users"),
        Kind("label.count", "users"),
    ]


def test_a_kind_left_out_is_shown_by_its_neighbours() -> None:
    own = Kind("label.extreme", "users")
    question = "Which label is the most common among the parts of user 12345?"
    picked = pick(question, RECORDS, without={own})
    assert picked.coverage == "near"
    assert len(picked.examples) == 2
    assert own not in [one.kind for one in picked.examples]
    assert "r['user'] in" in picked.examples[1].code


def test_what_is_asked_and_of_which_part_are_shown_apart_where_no_example_has_both() -> None:
    picked = pick("What is the median amount before 3 May 2021?", RECORDS)
    assert picked.coverage == "near"
    assert [str(one.kind) for one in picked.examples] == [
        "number.average",
        "record.count in before",
    ]
    picked = pick("Which user has the second most bolt lines before 3 May 2021?", RECORDS)
    assert [str(one.kind) for one in picked.examples] == [
        "user.label_second",
        "label.extreme in before",
    ]


def test_a_question_of_no_known_kind_gets_two_plain_examples() -> None:
    picked = pick("Surprise me.", RECORDS)
    assert (picked.kind, picked.coverage) == ("", "uncovered")
    assert len(picked.examples) == 2


def test_nothing_is_shown_for_a_look_up_before_something_was_found() -> None:
    question = "Who designed the lock of the west gate?"
    assert pick(question, Look("documents")).examples == ()
    found = pick(question, Look("documents", passages="The lock is by Hald."))
    assert [one.kind.what.partition(".")[0] for one in found.examples] == ["lookup", "lookup"]
    assert all(one.found for one in found.examples)


def test_what_an_example_found_is_left_out_where_nothing_was_found() -> None:
    question = "Copy the section Hinges exactly."
    assert [one.found for one in pick(question, Look("text")).examples] == [""] * 2
    assert pick(question, Look("text", passages="Hinges")).examples[0].found


def test_examples_speak_of_the_fields_that_there_are() -> None:
    look = Look("records", fields=("sent_at", "customer", "message", "label"), labels=("a1", "b2"))
    code = pick("How many of customer 40000's lines are a1?", look).examples[0].code
    assert "r['customer'] in" in code
    assert "r['user']" not in code
    groups = pick("Which pairs of customers both have an a1?", look).examples[0].code
    assert "groups(records, 'customer')" in groups
    odd = Look("records", fields=("us'er",), labels=("a1", "b2"))
    assert "r['user']" in pick("How many did user 40000 send with label a1?", odd).examples[0].code


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("## no.kind\nQ?\n```python\nFINAL(1)\n```\n", "is no kind"),
        ("## label.count in nowhere\nQ?\n```python\nFINAL(1)\n```\n", "is no kind"),
        ("## label.count\nQ?\n", "must hold a question"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_named(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=re.escape("prompts/bank/mine.md")) as error:
        read_examples("mine.md", text)
    assert problem in str(error.value)


def test_where_the_answer_was_read_no_example_looks_further() -> None:
    told = "[1] a.txt: The gate was paid for by Ane Holt.\nReading: "
    for question in ("Who paid for the gate?", "In which town did she who paid for the gate live?"):
        read = pick(question, Look("text", passages=f"{told}Ane Holt"))
        assert read.coverage == "shown"
        assert len(read.examples) == 2
        assert all("FINAL" in one.code for one in read.examples)
        unread = pick(question, Look("text", passages=f"{told}unknown"))
        assert unread.examples[0].code.startswith("print(look_up(")


def test_a_field_stands_in_for_another_of_its_type_only() -> None:
    total = bank()[Kind("number.total")][0]
    fields, types = ("value", "price_code", "weight"), ("text", "text", "number")
    assert "r['weight']" in total.over(fields, types).code
    assert "r['price_code']" in total.over(fields).code
    day = bank()[Kind("date.extreme")][0]
    assert "Counter(r['sent'][:10] for" in day.over(("sent",), ("time",)).code
    assert "Counter(r['sent'] for" in day.over(("sent",), ("date",)).code
    user = bank()[Kind("user.extreme")][0]
    assert "r['owner']" in user.over(("user_id", "owner"), ("unique", "text")).code


def test_names_of_fields_are_taken_by_whole_words() -> None:
    total = next(one for one in bank()[Kind("number.total")])
    assert "r['price']" in total.over(("id", "country", "price")).code
    assert "r['amount']" in total.over(("id", "country", "message")).code
    assert "r['orderValue']" in total.over(("country", "orderValue")).code
