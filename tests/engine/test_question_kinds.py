import pytest

from rlm_local.engine.question_kinds import NEIGHBOURS, WHATS, WHERES, Kind, kinds_of, neighbours

FIELDS = ("date", "user", "text", "amount", "label")
LABELS = ("bolt", "nut", "washer", "lock nut")


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Which label occurs most often?", "label.extreme"),
        ("What is the least frequent category?", "label.extreme"),
        ("Which kind of part has the highest number of lines?", "label.extreme"),
        ("What is the second most common label?", "label.second"),
        ("How many lines are about a bolt?", "label.count"),
        ("How many of the lines have the label nut?", "label.count"),
        ("Is bolt more common than nut?", "label.compare"),
        ("Are there more bolt than nut lines?", "label.compare"),
        ("What percentage of the lines is about a washer?", "label.share"),
        ("How many lines are there for each label?", "label.each"),
        ("How many lines of user 40117 are about a nut?", "label.count in users"),
        ("Which label is the rarest for users 40117 and 18204?", "label.extreme in users"),
        ("Between 2023-01-01 and 2023-03-01, which label leads most?", "label.extreme in range"),
        ("How many bolt lines are there in July?", "label.count in month"),
        ("How many bolt lines are there in July 2022?", "label.count in month_year"),
        ("How many bolt lines are there in 2022?", "label.count in year"),
        ("Is bolt more common than nut before 3 May 2022?", "label.compare in before"),
        ("How many lock nut lines are there after May 3, 2022?", "label.count in after"),
        ("Which user is represented most often?", "user.extreme"),
        ("Which user has the second most lines?", "user.second"),
        ("Which user has the fourth most lines?", "user.second"),
        ("Who has the most bolt lines?", "user.label_extreme"),
        ("Which user has the second most washer lines?", "user.label_second"),
        ("Which user has more bolt lines, 40117 or 18204?", "user.or_user"),
        ("Which of the users 40117, 18204 and 30303 has the most lines?", "user.extreme in users"),
        ("How many different users are there?", "user.distinct"),
        ("How many users have a bolt line?", "user.with_label"),
        ("How many users have at least 3 bolt lines?", "user.threshold"),
        ("Which users have more than two nut lines?", "user.threshold_list"),
        ("List all customers with exactly 2 lines.", "user.threshold_list"),
        ("Which users had two bolts or more and only one nut after 3 May 2021?", "user.conditions"),
        ("Who has more than 3 bolt lines but no nut?", "user.conditions"),
        ("List the customers with a bolt and exactly two nuts.", "user.conditions"),
        ("Which users never had a bolt?", "user.conditions"),
        ("How many users have at least one bolt and no nut?", "user.conditions_count"),
        ("Which date occurs most often?", "date.extreme"),
        ("On which day was it busiest?", "date.extreme"),
        ("Which date occurs second most often?", "date.second"),
        ("How many dates occur exactly 3 times?", "date.times"),
        ("Was bolt more common before 2023-01-04 than after it?", "period.compare"),
        ("In which month were there first more bolts than nuts?", "month.first"),
        ("In how many months is bolt more frequent than nut?", "month.above"),
        ("In how many months is bolt the most frequent label?", "month.top"),
        ("Which month has the most bolt lines?", "month.extreme"),
        ("What is the total amount?", "number.total"),
        ("How much was spent in 2022?", "number.total in year"),
        ("What is the average amount?", "number.average"),
        ("What is the average amount per user?", "number.group"),
        ("What was the largest amount?", "number.extreme"),
        ("List all pairs of users where both have a bolt line.", "pairs.both"),
        ("List all pairs of users where both have a bolt, all before May 3, 2022.",
         "pairs.both_dated"),
        ("List all pairs of users where one has a bolt and the other a nut.", "pairs.one_alone"),
        ("Give the pairs of users of whom one has a bolt and no nut, and the other two washers.",
         "pairs.one_other"),
        ("How many lines are there?", "record.count"),
        ("What did user 40117 write?", "record.find in users"),
        ("List all lines that mention rain.", "record.list"),
        ("List all lines that sound angry.", "judge.list"),
        ("When was the first complaint about noise?", "record.first"),
        ("How many lines mention the word 'rust'?", "word.count"),
        ("How many customers' letters sound angry?", "judge.count"),
    ],
)  # fmt: skip
def test_questions_about_records(question: str, kind: str) -> None:
    assert str(kinds_of(question, "records", FIELDS, LABELS)[0]) == kind


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who wrote the letter to the mayor?", "lookup.value"),
        ("What are all the plate numbers of pump P-7?", "lookup.values"),
        ("List all plate numbers for P-7, P-8, and P-9.", "lookup.keys"),
        ("In which town was the woman who drew the valve born?", "lookup.hops"),
        ("Which opened first, Lunde or Skarvik?", "lookup.either"),
        ("Are Lunde and Skarvik both ports?", "lookup.yes_no"),
        ("Is Lunde or Skarvik older?", "lookup.either"),
        ("Which document names the valve?", "lookup.document"),
        ("Copy the entry Hinges exactly.", "text.copy"),
        ("Find all variables that have the value 12.", "text.chain"),
        ("What are the 10 most used words?", "text.frequent"),
        ("Summarise the letters.", "text.summary"),
        ("Facts about persons and their locations.\nQuestion: Where is Ida?", "text.state"),
        ("Facts about persons and their locations.\nQuestion: Where was the key before the loft?",
         "text.state_item"),
    ],
)  # fmt: skip
def test_questions_about_texts(question: str, kind: str) -> None:
    assert str(kinds_of(question, "text")[0]) == kind
    assert str(kinds_of(question, "documents")[0]) == kind


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Where is the function `pour` defined?", "code.definition"),
        ("Which file implements `pour`?", "code.definition"),
        ("Which subclass overrides `boil`?", "code.override"),
        ("What is the default of `degrees` in `pour`?", "code.default"),
        ("Who calls `pour`?", "code.caller"),
    ],
)
def test_questions_about_code(question: str, kind: str) -> None:
    assert str(kinds_of(question, "code")[0]) == kind


def test_what_is_said_of_the_answers_form_is_not_what_is_asked() -> None:
    question = (
        "How many lines are about a bolt? Give the answer in the form 'Most common label: [X]', "
        "where [X] is the number."
    )
    assert str(kinds_of(question, "records", FIELDS, LABELS)[0]) == "label.count"


def test_words_of_people_come_from_the_fields_too() -> None:
    asked = "Which inspector_name has the most bolt lines?"
    fields = ("date", "inspector_name", "text", "label")
    assert str(kinds_of(asked, "records", fields, LABELS)[0]) == "user.label_extreme"


def test_a_question_that_no_rule_knows_has_no_kind() -> None:
    assert kinds_of("Surprise me.", "records", FIELDS, LABELS) == ()
    assert kinds_of("", "text") == ()


def test_every_neighbour_is_a_kind_and_none_its_own() -> None:
    for what, near in NEIGHBOURS.items():
        assert set(near) <= set(WHATS) - {what}
    assert "all" in WHERES
    assert neighbours(Kind("label.count", "users"))[:3] == (
        Kind("label.compare", "users"),
        Kind("label.extreme", "users"),
        Kind("label.count"),
    )
