import pytest

from rlm_local.engine.answer_form import form_of, in_form, misfit

KIND = "Which is rarest? Write it as 'Kind: x', where x is one of the kinds: bolt, nut or lock nut."
COUNT = "How many are there? Put it in the form 'Total: [N]', where [N] is the number of lines."
WHO = "Who leads? Reply in the form 'Sender: [X]', where [X] is the user ID."
DAY = "Which day? Reply in the form 'Day: [X]', where [X] is the date as MM/DD/YYYY."
MONTH = "Which month? Reply in the form 'Month: [month] [year]'."
NAMED = "Which month? Write it as 'Month: [name] [year]'."
PATH = "Which file? Reply in the form 'File: path', as it stands."
ORDER = (
    "Is it so? Reply in the form 'Result: bolt is [X] nut', where [X] is 'rarer than', "
    "'more usual than', or 'just as usual as'."
)
PAIRS = "List all pairs of users in the format (first, second), a line each."


@pytest.mark.parametrize(
    ("question", "holds", "prefix"),
    [
        (KIND, "choice", "Kind"),
        (COUNT, "number", "Total"),
        (WHO, "id", "Sender"),
        (DAY, "date", "Day"),
        (MONTH, "month", "Month"),
        (PATH, "open", "File"),
        (ORDER, "phrase", "Result"),
        (PAIRS, "pairs", ""),
        ("How many bolts are there?", "number", ""),
        ("Are bolts and nuts parts?", "open", ""),
        ("When? Write it as 'HH:MM'.", "open", ""),
        ("Where? Write it as 'file:line'.", "open", ""),
        ("Which one? Write it as 'key: value'.", "open", ""),
        ("Which? Write it as 'Kind: x', one of the kinds in the text.", "open", "Kind"),
        ("Which? Write it as 'Kind: x', one of those listed above.", "open", "Kind"),
        (
            "Who? Write it as 'Name of buyer: [name]'. Dates are MM/DD/YYYY.",
            "open",
            "Name of buyer",
        ),
        ("Give a JSON list of pairs (first, second).", "open", ""),
        ("Are bolts or nuts rarer?", "open", ""),
        ("Who paid?", "open", ""),
        ("Write it in the form of a 'list'.", "open", ""),
    ],
)
def test_the_form_is_read_from_the_question(question: str, holds: str, prefix: str) -> None:
    form = form_of(question)
    assert (form.holds, form.prefix) == (holds, prefix)


def test_options_are_those_that_are_listed() -> None:
    assert form_of(KIND).options == ("bolt", "nut", "lock nut")
    assert form_of(ORDER).options == ("rarer than", "more usual than", "just as usual as")
    named = (
        "Say it in the form 'Kind: answer', one of the labels: salt and pepper, oil, wine and beer."
    )
    assert set(form_of(named).options) == {
        "salt and pepper",
        "oil",
        "wine and beer",
        "wine",
        "beer",
    }


@pytest.mark.parametrize(
    ("question", "answer", "mended"),
    [
        (KIND, "nut", "Kind: nut"),
        (KIND, "Nut", "Kind: nut"),
        (KIND, "Kind: ['nut']", "Kind: nut"),
        (KIND, "Label: lock nut", "Kind: lock nut"),
        (KIND, "The rarest is the lock nut.", "Kind: lock nut"),
        (KIND, "bolt and nut", "bolt and nut"),
        (KIND, "screw", "screw"),
        (COUNT, "14", "Total: 14"),
        (COUNT, "14.0", "Total: 14"),
        (COUNT, "Total: 1,214", "Total: 1214"),
        (COUNT, "14 lines", "Total: 14"),
        (COUNT, "The answer is 14.", "Total: 14"),
        (COUNT, "fewer than 10", "fewer than 10"),
        (COUNT, "none of the 12 lines", "none of the 12 lines"),
        (COUNT, "seven (in March 2021)", "seven (in March 2021)"),
        (COUNT, "-$500", "-$500"),
        (COUNT, "3 million", "3 million"),
        (COUNT, "14 miles", "14 miles"),
        (COUNT, "-5", "Total: -5"),
        ("How long? Write it as 'Way: [number] km'.", "5 miles", "5 miles"),
        ("How long? Write it as 'Way: [number] km'.", "5", "Way: 5 km"),
        ("When? Write it as 'HH:MM'.", "14:30", "14:30"),
        ("Which book? Write it as 'Title: [title]'.", "Day: A Novel", "Title: Day: A Novel"),
        ("Which? Write it as 'Kind: x', one of the kinds: spam or ham.", "not spam", "not spam"),
        ("Which? Write it as 'Rate: x', one of the options: 1.0, 1.5 or 2.0.", "1.5", "Rate: 1.5"),
        (WHO, "U-51822", "Sender: U-51822"),
        (WHO, "anna_7 (12 posts)", "Sender: anna_7 (12 posts)"),
        ("How many people live there?", "1.000", "1.000"),
        ("Give a JSON list of pairs (name, age).", '[["Ann", 5]]', '[["Ann", 5]]'),
        (COUNT, "3 of 14", "3 of 14"),
        (COUNT, "14.5", "14.5"),
        (WHO, "U40117", "Sender: U40117"),
        (COUNT, "none", "none"),
        (WHO, "40117", "Sender: 40117"),
        (WHO, "User 40117", "Sender: 40117"),
        (WHO, "40117.0", "Sender: 40117"),
        (WHO, "anna", "Sender: anna"),
        (DAY, "2023-01-06", "Day: 01/06/2023"),
        (DAY, "Date: 01/06/2023", "Day: 01/06/2023"),
        (DAY, "soon", "soon"),
        (MONTH, "2023-01", "Month: January 2023"),
        (MONTH, "January 2023", "Month: January 2023"),
        (NAMED, "2020-05", "Month: May 2020"),
        (NAMED, "Month: 2020-05", "Month: May 2020"),
        (PATH, "a/b.py", "File: a/b.py"),
        (PATH, "File: a/b.py", "File: a/b.py"),
        (PATH, "Answer: a/b.py", "File: a/b.py"),
        (PATH, "Dict[str: int]", "File: Dict[str: int]"),
        (PATH, "two\nlines", "two\nlines"),
        (ORDER, "rarer than", "Result: bolt is rarer than nut"),
        (ORDER, "rarer", "Result: bolt is rarer than nut"),
        (ORDER, "bolt is rarer than nut", "Result: bolt is rarer than nut"),
        (ORDER, "Answer: bolt is rarer than nut", "Result: bolt is rarer than nut"),
        (ORDER, "nut is rarer than bolt", "nut is rarer than bolt"),
        (PAIRS, '[["1", "2"], [3, 4]]', "(1, 2)\n(3, 4)"),
        (PAIRS, "(1, 2)", "(1, 2)"),
        (PAIRS, "[[1, 2, 3]]", "[[1, 2, 3]]"),
        (PAIRS, '{"a": 1}', '{"a": 1}'),
        ("How many bolts are there?", "14.0", "14"),
        ("How many bolts are there?", "many", "many"),
        ("Are bolts and nuts parts?", "True", "True"),
        ("Are bolts and nuts parts?", "No, never", "No, never"),
        ("Who paid?", "14.0", "14.0"),
        ("Who paid?", "", ""),
        (KIND, "", ""),
    ],
)
def test_an_answer_is_mended_where_it_is_plain_how(question: str, answer: str, mended: str) -> None:
    assert in_form(answer, question) == mended
    assert in_form(mended, question) == mended


@pytest.mark.parametrize(
    ("question", "answer", "wrong"),
    [
        (KIND, "14", "'14', and not one of: bolt, nut, lock nut"),
        (KIND, "nut", ""),
        (KIND, "bolt and nut", ""),
        (COUNT, "several", "'several', and not a number"),
        (COUNT, "Total: 3", ""),
        ("How many bolts are there?", "several", ""),
        (WHO, "nut", "'nut', which is a label and not a user"),
        (WHO, "anna", ""),
        (DAY, "soon", "'soon', and not a date"),
        (MONTH, "May", "'May', and not a month"),
        (ORDER, "nut", "'nut', and not one of: rarer than, more usual than, just as usual as"),
        (ORDER, "rarer", ""),
        (PAIRS, "1, 2", "'1, 2', and no pairs"),
        (PAIRS, "None of them", ""),
        (PAIRS, "(1, 2)", ""),
        ("Could you tell me who paid?", "Anna", ""),
        ("Was kostet es?", "42 Euro", ""),
        (COUNT, "seven", ""),
        (COUNT, "zero", ""),
        ("Are bolts and nuts parts?", "Yes.", ""),
        ("Are bolts and nuts parts?", "The answer is no", ""),
        ("Do not explain. Which words are the rarest?", "bolt, nut", ""),
        ("Are bolts or nuts rarer?", "nuts", ""),
        (PATH, "anything", ""),
        ("Who paid?", "anybody", ""),
    ],
)
def test_only_what_is_surely_wrong_is_called_so(question: str, answer: str, wrong: str) -> None:
    assert misfit(answer, question, ["bolt", "nut"]) == wrong


def test_what_is_mended_is_no_misfit() -> None:
    for question, answer in ((KIND, "Nut"), (COUNT, "14.0"), (ORDER, "rarer"), (DAY, "2023-01-06")):
        assert misfit(in_form(answer, question), question) == ""
