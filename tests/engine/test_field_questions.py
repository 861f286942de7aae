"""Questions that users ask of tables and logs, and which worked example each is shown.

The texts are read as they would be, so that what is known of their fields is what a run knows.
"""

import json

import pytest

from rlm_local.engine.example_bank import pick
from rlm_local.engine.field_questions import (
    NEIGHBOURS,
    field_kinds,
    has_people,
    is_compound,
    judges_nothing,
    leaves_out_values,
    part_of_values,
)
from rlm_local.engine.look import Look, parse_look
from tests.sandbox.child.records.given import names_of

PEOPLE = ("Ann Holt", "Bo Lee", "Cy Lund", "Di Marsh")
SAID = (
    "connection to the store was lost again",
    "request took too long to be answered",
    "user logged in from the office",
)
ASKED = (
    "I cannot log in to my account since this morning",
    "The invoice of last month is wrong",
    "The printer on floor two does not answer at all",
)
ORDERS = "order_id,customer,city,amount,status,created_at\n" + "".join(
    f"{1000 + i},{PEOPLE[i * 7 % 4]},{('Oslo', 'Bergen', 'Lund')[i * 5 % 3]},{i * 37 % 300}.25,"
    f"{('open', 'shipped', 'cancelled')[i * 11 % 3]},2023-0{i % 9 + 1}-{i % 18 + 10}\n"
    for i in range(60)
)
REQUESTS = "".join(
    f"10.0.0.{i * 7 % 5} - - [10/Oct/2023:{i % 12 + 10}:55:{i:02d} +0200] "
    f'"{("GET", "POST")[i * 3 % 2]} /a/{i * 5 % 3}.html HTTP/1.1" {(200, 404, 500)[i * 11 % 3]} '
    f'{i * 97} "-" "curl"\n'
    for i in range(60)
)
LOG = "".join(
    f"2023-10-11 {i % 12 + 10}:14:{i:02d},{i * 7:03d} {('INFO', 'ERROR', 'WARNING')[i * 7 % 3]} "
    f"{('app.db', 'app.web')[i * 3 % 2]}: {SAID[i * 5 % 3]} {i}\n"
    for i in range(60)
)
TICKETS = "".join(
    json.dumps({
        "ticket_id": 5000 + i, "opened": f"2023-0{i % 9 + 1}-{i % 18 + 10}",
        "agent": ("kim", "lee", "ria")[i * 7 % 3], "priority": ("low", "high", "urgent")[i * 5 % 3],
        "category": ("billing", "login", "printer")[i * 11 % 3], "minutes_to_close": i * 13,
        "body": f"{ASKED[i % 3]} {i}",
    }) + "\n"
    for i in range(60)
)  # fmt: skip
STAFF = "Employee ID;Full Name;Department;Salary;Hire Date;Office\n" + "".join(
    f"E{100 + i};{PEOPLE[i % 4]} {i};{('Sales', 'Legal', 'IT')[i * 5 % 3]};{i * 1000 + 30000};"
    f"{i % 28 + 1:02d}.{i % 12 + 1:02d}.20{i % 14 + 10};{('Paris', 'Rome')[i * 3 % 2]}\n"
    for i in range(60)
)
READINGS = "".join(
    f"2024-02-{i % 28 + 1:02d}T{i % 24:02d}:00:00Z sensor=s{i * 5 % 3 + 1} temp={i * 7 % 30}.5"
    f" humidity={i * 11 % 70 + 20} state={('ok', 'fault')[i * 7 % 2]}\n"
    for i in range(60)
)
LOANS = "loan\ttitle\tborrower\tgenre\tdays_late\treturned\n" + "".join(
    f"{i}\t{('The Sea', 'Old Roads')[i % 2]}\t{('Ines', 'Jon', 'Kay')[i * 5 % 3]}\t"
    f"{('poetry', 'travel', 'crime')[i * 7 % 3]}\t{i * 13 % 31}\t{('yes', 'no')[i * 3 % 2]}\n"
    for i in range(60)
)
FEEDBACK = "".join(
    json.dumps({
        "id": i, "product": ("kettle", "toaster", "lamp")[i * 5 % 3], "rating": i * 7 % 5 + 1,
        "country": ("DE", "FR", "IT")[i * 11 % 3], "date": f"2024-0{i % 6 + 1}-{i % 18 + 10}",
        "comment": f"{ASKED[i % 3]} {i}",
    }) + "\n"
    for i in range(60)
)  # fmt: skip
TEXTS = {"orders": ORDERS, "requests": REQUESTS, "log": LOG, "tickets": TICKETS}
TEXTS |= {"staff": STAFF, "readings": READINGS, "loans": LOANS, "feedback": FEEDBACK}
SHOWN = [
    ("orders", "Which city occurs most often?", "field.extreme"),
    ("orders", "Which city has the most orders?", "field.extreme"),
    ("orders", "What is the most common status?", "field.extreme"),
    ("orders", "Which status is the second most common?", "field.second"),
    ("orders", "What is the average amount for each city?", "number.group"),
    ("orders", "What is the total amount per customer?", "number.group"),
    ("orders", "How many orders have an amount above 100?", "number.above"),
    ("orders", "How many orders are over $150?", "number.above"),
    ("orders", "List all orders with an amount above 250.", "number.above_list"),
    ("orders", "Which orders cost more than 280?", "number.above_list"),
    ("orders", "How many orders were cancelled?", "field.count"),
    ("orders", "How many orders were cancelled in May?", "field.count in month"),
    ("orders", "How many cancelled orders are there in May 2023?", "field.count in month_year"),
    ("orders", "How many orders were shipped to Bergen?", "field.count"),
    ("orders", "How many different cities are there?", "field.distinct"),
    ("orders", "How many cities are in the file?", "field.distinct"),
    ("orders", "How many different customers have a cancelled order?", "field.distinct in value"),
    ("orders", "What are the different statuses?", "field.names"),
    ("orders", "List all cities.", "field.names"),
    ("orders", "What is the largest amount by city?", "number.group_most"),
    ("orders", "What was the largest order for each customer?", "number.group_most"),
    ("orders", "What is the largest amount?", "number.extreme"),
    ("orders", "Which customer has the highest total amount?", "number.group_extreme"),
    ("orders", "Who spent the most?", "number.group_extreme"),
    ("orders", "Which city has the lowest average amount?", "number.group_extreme"),
    ("orders", "Which 2 customers spent the most?", "number.group_top"),
    ("orders", "What are the top 3 cities by number of orders?", "field.top"),
    ("orders", "What are the three largest amounts?", "number.top"),
    ("orders", "How many orders are there per status?", "field.each"),
    ("orders", "How many orders did each customer place?", "field.each"),
    ("orders", "How many orders are there per month?", "date.each"),
    ("orders", "What is the total amount per month?", "number.period"),
    ("orders", "What percentage of the orders was cancelled?", "field.share"),
    ("orders", "What share of orders are still open?", "field.share"),
    ("orders", "What is the total amount of all cancelled orders?", "number.total in value"),
    ("orders", "What is the average amount of shipped orders?", "number.average in value"),
    ("orders", "What is the status of order 1005?", "field.value"),
    ("orders", "Which city does order 1010 go to?", "field.value"),
    ("orders", "Which customers have cancelled orders?", "field.list"),
    ("orders", "List the ids of all cancelled orders.", "field.list"),
    ("orders", "Which city has the most cancelled orders?", "field.extreme in value"),
    ("orders", "Which customer has the most cancelled orders?", "field.extreme in value"),
    ("orders", "How many orders did Ann Holt place?", "field.count"),
    ("orders", "How many orders did Ann Holt place in May?", "field.count in month"),
    ("orders", "How much did Ann Holt spend?", "number.total in value"),
    ("orders", "How many orders are there?", "record.count"),
    ("orders", "How many orders were placed in May?", "record.count in month"),
    ("orders", "How many orders were created before 3 May 2023?", "record.count in before"),
    ("orders", "Which customers have more than 10 orders?", "field.threshold_list"),
    ("orders", "How many cities have at least 20 orders?", "field.threshold"),
    ("orders", "When was the last order?", "field.first"),
    ("orders", "When was the latest cancelled order?", "field.first in value"),
    ("orders", "Which month had the most orders?", "month.busiest"),
    ("orders", "On which day were the most orders created?", "date.extreme"),
    ("orders", "What is the total revenue?", "number.total"),
    ("requests", "Which client made the most requests?", "field.extreme"),
    ("requests", "Which IP made the most requests?", "field.extreme"),
    ("requests", "How many requests returned 404?", "field.count"),
    ("requests", "Which page was requested most often?", "field.extreme"),
    ("requests", "How many requests are there per hour?", "date.each"),
    ("requests", "At which hour were there the most requests?", "hour.extreme"),
    ("requests", "Which status code is the most common?", "field.extreme"),
    ("requests", "How many POST requests are there?", "field.count"),
    ("requests", "What is the total number of bytes sent?", "number.total"),
    ("requests", "What is the average number of bytes per client?", "number.group"),
    ("requests", "Which path returned the most 500 errors?", "field.extreme in value"),
    ("requests", "How many requests did 10.0.0.3 make?", "field.count"),
    ("requests", "How many different clients are there?", "field.distinct"),
    ("log", "How many errors are there?", "field.count"),
    ("log", "Which component logs the most errors?", "field.extreme in value"),
    ("log", "How many entries are there per level?", "field.each"),
    ("log", "How many lines mention the word 'timeout'?", "word.count"),
    ("log", "When was the first error?", "field.first in value"),
    ("log", "How many entries complain about a slow answer?", "judge.count"),
    ("log", "How many warnings did app.db log?", "field.count"),
    ("tickets", "How many tickets are urgent?", "field.count"),
    ("tickets", "Which agent has the most tickets?", "field.extreme"),
    ("tickets", "Which category has the most urgent tickets?", "field.extreme in value"),
    ("tickets", "What is the average of minutes_to_close per agent?", "number.group"),
    ("tickets", "Which agent closes tickets the fastest on average?", "number.group_extreme"),
    ("tickets", "How many tickets took more than 60 minutes to close?", "number.above"),
    ("tickets", "Which ticket took the longest?", "number.extreme"),
    ("tickets", "How many tickets are about billing?", "field.count"),
    ("tickets", "How many tickets sound angry?", "judge.count"),
    ("tickets", "How many tickets were opened in May?", "record.count in month"),
    ("tickets", "What is ticket 5003 about?", "field.value"),
    ("tickets", "Who handles ticket 5003?", "field.value"),
    ("tickets", "How many tickets per category?", "field.each"),
    ("tickets", "Which two agents have the fewest tickets?", "field.top"),
    ("tickets", "How many urgent tickets does kim have?", "field.count"),
    ("orders", "Give me the number of orders for every city.", "field.each"),
    ("orders", "Break the orders down by status.", "field.each"),
    ("orders", "Which status appears least frequently?", "field.extreme"),
    ("orders", "What is the most popular city among customers?", "field.extreme"),
    ("orders", "Who placed the most orders?", "user.extreme"),
    ("orders", "Who has the fewest orders?", "user.extreme"),
    ("orders", "Name the customer with the most orders.", "field.extreme"),
    ("orders", "Name the customer with the highest total.", "number.group_extreme"),
    ("orders", "What was the mean order amount in Oslo?", "number.average in value"),
    ("orders", "What is the median amount?", "number.average"),
    ("orders", "How many orders between 50 and 100 are there?", "number.above"),
    ("orders", "What is the cheapest order?", "number.extreme"),
    ("orders", "What is the smallest amount ordered by Di Marsh?", "number.extreme in value"),
    ("orders", "How many customers are there?", "field.distinct"),
    ("orders", "Is there any open order from Lund?", "field.count"),
    ("orders", "Which customers live in Lund?", "field.list"),
    ("orders", "Which cities did Bo Lee order from?", "field.list"),
    ("orders", "How many orders were not cancelled?", "field.count"),
    ("orders", "What fraction of Oslo's orders is open?", "field.share"),
    ("orders", "Which order is the oldest?", "field.first"),
    ("orders", "Sum the amounts by status.", "number.group"),
    ("orders", "Are there more open than shipped orders?", "field.compare"),
    ("orders", "Which city sold more, Oslo or Bergen?", "field.compare"),
    ("orders", "Give me a summary of the file.", "text.summary"),
    ("requests", "How many bytes were sent in total?", "number.total"),
    ("requests", "Which client downloaded the most bytes?", "number.group_extreme"),
    ("requests", "What is the biggest response in bytes?", "number.extreme"),
    ("requests", "How many requests failed with status 500?", "field.count"),
    ("requests", "List the ten most requested paths.", "field.top"),
    ("requests", "What are the top five clients?", "field.top"),
    ("requests", "How many requests used the method GET?", "field.count"),
    ("requests", "What percentage of requests returned 404?", "field.share"),
    ("log", "What is the share of errors?", "field.share"),
    ("log", "Show the last error.", "field.first in value"),
    ("log", "Which levels occur?", "field.names"),
    ("tickets", "How long does it take on average to close a ticket?", "number.average"),
    ("tickets", "What is the average time to close for high priority tickets?",
     "number.average in value"),
    ("tickets", "How many tickets does each agent have?", "field.each"),
    ("tickets", "Which agent has the highest average of minutes to close?", "number.group_extreme"),
    ("tickets", "List the ticket ids that lee handles.", "field.list"),
    ("tickets", "Which priority is the rarest?", "field.extreme"),
    ("tickets", "How many distinct agents worked on printer tickets?", "field.distinct in value"),
    ("tickets", "Which tickets mention an invoice?", "record.list"),
    ("orders", "List the customers.", "field.names"),
    ("staff", "How many employees work in Legal?", "field.count"),
    ("staff", "What is the average salary in IT?", "number.average in value"),
    ("staff", "Who earns the most?", "number.group_extreme"),
    ("staff", "List everyone who earns more than 80000.", "number.above_list"),
    ("staff", "What is the salary of E105?", "field.value"),
    ("staff", "Who was hired most recently?", "field.first"),
    ("staff", "What is the total payroll per office?", "number.group"),
    ("staff", "How many employees does each department have?", "field.each"),
    ("staff", "List the employees in Sales.", "field.list"),
    ("staff", "What is the highest salary in each department?", "number.group_most"),
    ("staff", "How many employees earn less than 40000?", "number.above"),
    ("readings", "Which sensor reported the most faults?", "field.extreme in value"),
    ("readings", "What is the maximum temperature?", "number.extreme"),
    ("readings", "How many readings are above 25 degrees?", "number.above"),
    ("readings", "How many faults were there on 2024-02-10?", "field.count in day"),
    ("readings", "On which day were the most faults?", "date.extreme in value"),
    ("readings", "When was the highest humidity measured?", "number.extreme"),
    ("loans", "Which genre is borrowed most?", "field.extreme"),
    ("loans", "How many books were not returned?", "field.count"),
    ("loans", "Who has the most overdue days in total?", "number.group_extreme"),
    ("loans", "How many loans were more than 14 days late?", "number.above"),
    ("loans", "What is the most popular title among crime loans?", "field.extreme in value"),
    ("feedback", "How many reviews have 5 stars?", "number.above"),
    ("feedback", "Which product has the best average rating?", "number.group_extreme"),
    ("feedback", "How many customers complain about a broken product?", "judge.count"),
    ("feedback", "How many reviews are positive?", "judge.count"),
    ("feedback", "How many comments mention the cable?", "word.count"),
    ("feedback", "How many reviews are there for each rating?", "field.each"),
    ("feedback", "Which rating is the most common?", "field.extreme"),
]  # fmt: skip
NEAR = [
    ("staff", "How many people were hired in 2015?", "user.distinct in year"),
    ("readings", "What share of readings is faulty?", "field.value"),
    ("orders", "What is the total revenue in May?", "number.total in month"),
    ("orders", "How many orders were lost in the mail?", "field.count"),
    ("orders", "Which orders look suspicious?", "field.list"),
    ("orders", "How many orders in Oslo are above 100?", "number.above in value"),
    ("orders", "How many orders does the average customer have?", "number.average"),
    ("orders", "What is the difference between the largest and smallest amount?", "number.extreme"),
    ("log", "Which hour had the most errors?", "hour.extreme in value"),
    ("log", "How many warnings are there per hour?", "date.each in value"),
    ("log", "How many errors were there between 12:00 and 13:00?", "field.count"),
]  # fmt: skip


def look_at(text: str, question: str) -> Look:
    look = parse_look(json.dumps(names_of(TEXTS[text]).look(question, can_read=False)))
    assert look is not None
    return look


@pytest.mark.parametrize(("text", "question", "kind"), SHOWN)
def test_a_question_of_fields_is_shown_a_program_of_its_own_form(
    text: str, question: str, kind: str
) -> None:
    picked = pick(question, look_at(text, question))
    assert (picked.kind, picked.coverage) == (kind, "shown")
    assert str(picked.examples[0].kind) == kind


@pytest.mark.parametrize(("text", "question", "kind"), NEAR)
def test_what_no_example_answers_as_it_stands_is_said_to_be_near(
    text: str, question: str, kind: str
) -> None:
    picked = pick(question, look_at(text, question))
    assert (picked.kind, picked.coverage) == (kind, "near")
    assert picked.examples


def test_nothing_is_judged_where_there_is_nothing_to_read() -> None:
    for question in ("Which orders look suspicious?", "How many orders sound urgent?"):
        picked = pick(question, look_at("orders", question))
        assert picked.coverage == "near"
        assert not any("judged" in example.code for example in picked.examples)
    question = "How many tickets sound angry?"
    assert "judged" in pick(question, look_at("tickets", question)).examples[0].code


def test_without_types_of_fields_no_kind_of_theirs_is_told() -> None:
    assert field_kinds("which city has the most orders?", Look("records", fields=("city",))) == []
    assert not judges_nothing(Look("records"))


def test_where_labels_are_named_their_kinds_come_first() -> None:
    fields, types = ("user", "text", "label"), ("id", "free text", "judged")
    look = Look("records", fields=fields, types=types, labels=("bolt", "nut"))
    assert pick("Which user has the most bolt lines?", look).kind == "user.label_extreme"
    assert pick("Which label is the most common?", look).kind == "label.extreme"


def test_a_named_value_makes_a_part_of_the_records() -> None:
    look = Look("records", fields=("state",), types=("text",), named=(("state", "late"),))
    assert part_of_values("number.total", "all", look) == "value"
    assert part_of_values("number.total", "month", look) == "month"
    assert part_of_values("field.count", "users", look) == "all"
    assert part_of_values("date.each", "all", look) == "value"
    assert part_of_values("record.count", "all", look) == "all"
    assert part_of_values("number.total", "all", Look("records")) == "all"
    assert leaves_out_values("number.total", "month", look)
    assert not leaves_out_values("number.total", "value", look)
    assert not leaves_out_values("field.count", "month", look)
    labelled = Look("records", labels=("late",), named=(("label", "Late"),))
    assert not leaves_out_values("user.extreme", "all", labelled)


def test_who_is_asked_only_where_a_field_says_who() -> None:
    assert has_people(Look("records", fields=("customer", "sum"), types=("text", "number")))
    assert has_people(Look("records", fields=("user_id",), types=("id",)))
    assert has_people(Look("records", fields=("place",)))  # nothing is known of it
    look = Look("records", fields=("place", "note"), types=("text", "free text"))
    assert not has_people(look)
    assert pick("How many customers complain about noise?", look).kind == "judge.count"


def test_a_question_of_several_steps_is_compound() -> None:
    asked = "what is the difference between the largest and the smallest amount?"
    assert is_compound("number.extreme", asked)
    assert is_compound("field.count", "how many errors were there between 12:00 and 13:00?")
    assert not is_compound("lookup.value", "what is the difference between a and b?")
    assert not is_compound("number.average", "what is the average amount?")
    assert is_compound("record.find", "which user failed most often?")
    assert not is_compound("record.find", "which user failed?")


def test_neighbours_do_not_name_themselves() -> None:
    assert all(what not in near for what, near in NEIGHBOURS.items())
