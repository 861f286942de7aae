"""Records, fields and look in a real confined REPL, with a host that answers from a function."""

import json

import pytest

from rlm_local.config import SandboxPolicy
from rlm_local.types import CellCall, CellReply, ContextSlice, SubcallOutcome
from tests.fakes.memory_context import EchoHost
from tests.sandbox.child.records.given import FakeLabeller, names_of, reviews
from tests.sandbox.conftest import OpenPool, OpenRepl, Repl

TEXT = reviews(12)
LOVELY = "'glowing'"


class ReviewHost:
    """Judges what it is shown by a word; keeps the calls."""

    def __init__(self) -> None:
        self.calls: list[CellCall] = []

    async def call(self, call: CellCall) -> CellReply:
        self.calls.append(call)
        labels = call.args.get("choices")
        if not labels:
            return CellReply(tuple(SubcallOutcome("- x: y") for _ in call.texts))
        replies = ["glowing" if "lovely" in text else "harsh" for text in call.texts]
        return CellReply(
            tuple(
                SubcallOutcome(
                    json.dumps({"value": r, "scores": {}}) if call.args.get("scores") else r
                )
                for r in replies
            )
        )


@pytest.mark.parametrize("policy", ["auto", "sealed"])
async def test_a_cell_counts_labels_that_the_worker_gives(
    open_repl: OpenRepl, policy: SandboxPolicy
) -> None:
    host = ReviewHost()
    repl = await open_repl(TEXT, host=host, policy=policy)
    found = await repl("len(records), records[0], LABELS, header[:13], footer[:6]")
    assert found.error is None
    assert found.result == str(
        (12, {"date": "2020-01-01", "user": "40117", "review": "dull teapot 0"},
         ["glowing", "mixed", "harsh"], "The following", "Recall")
    )  # fmt: skip
    assert host.calls == []
    code = "counts = Counter(r['label'] for r in records if r['user'] in [40117, 40118])\ncounts"
    counted = await repl(code)
    assert counted.error is None
    assert counted.result == "Counter({'harsh': 3, 'glowing': 3})"
    assert counted.stdout.endswith(
        "[note] label: 12 records judged: glowing 6, mixed 0, harsh 6; 0 failed\n"
    )
    n_calls = len(host.calls)
    assert (await repl("records[3].label, counts.get('mixed', 0)")).result == f"({LOVELY}, 0)"
    assert len(host.calls) == n_calls


@pytest.mark.parametrize("policy", ["auto", "sealed"])
async def test_pairs_of_users_whose_records_fit_are_an_answer(
    open_repl: OpenRepl, policy: SandboxPolicy
) -> None:
    repl = await open_repl(TEXT, host=ReviewHost(), policy=policy)
    code = "users = groups(records, 'user')\n"
    code += "FINAL(pairs_of(users, both=lambda u: u.at_least(2, 'glowing')))"
    found = await repl(code)
    assert found.error is None
    assert found.final == "(40118, 40120)"


@pytest.mark.parametrize("policy", ["auto", "sealed"])
async def test_a_look_is_printed_as_json(open_repl: OpenRepl, policy: SandboxPolicy) -> None:
    host = ReviewHost()
    repl = await open_repl(TEXT, host=host, policy=policy)
    result = await repl("import json\nprint(json.dumps(look('Which label is the rarest?')))")
    assert result.error is None
    found = json.loads(result.stdout)
    assert found.keys() == {
        "shape", "told", "fields", "labels", "n", "passages", "types", "named",
    }  # fmt: skip
    assert len(found["types"]) == len(found["fields"])
    assert (found["shape"], found["n"], found["passages"]) == ("records", 12, "")
    assert found["fields"] == ["date", "user", "review", "label"]
    assert found["labels"] == ["glowing", "mixed", "harsh"]
    assert host.calls == []


@pytest.mark.parametrize("policy", ["auto", "sealed"])
async def test_ids_and_dates_are_forgiving_in_a_cell(
    open_repl: OpenRepl, policy: SandboxPolicy
) -> None:
    repl = await open_repl(TEXT, policy=policy)
    code = (
        "from collections import Counter, defaultdict\n"
        "from datetime import date\n"
        "users = Counter(r['user'] for r in records)\n"
        "days = [r for r in records if 'Jan 01, 2021' <= r['date'] <= date(2021, 12, 31)]\n"
        "users[40117], users['40117'], len(days), {r.date.month_name for r in days}, "
        "days[0]['date'].strftime('%m/%d/%Y')"
    )
    result = await repl(code)
    assert result.error is None
    assert result.result == "(3, 3, 4, {'February'}, '02/02/2021')"


async def test_records_are_an_ordinary_list(open_repl: OpenRepl) -> None:
    repl = await open_repl(TEXT)
    code = (
        "import json, pickle, random\n"
        "assert isinstance(records, list) and list(records) == records == records[:]\n"
        "assert len(json.loads(json.dumps(records))) == 12 == len([*records])\n"
        "assert len(tuple(records)) == 12\n"
        "assert sorted(records, key=lambda r: r['date'])[0]['date'] == '2020-01-01'\n"
        "assert len([] + records) == 12 and records[-1] in records and random.choice(records)\n"
        "assert [dict(r) for r in records][0]['user'] == '40117'\n"
        "{**records[0]}['user']"
    )
    assert (await repl(code)).result == "'40117'"
    assert (await repl("print(records)")).stdout.startswith("12 records:\n  {'date'")


async def test_a_cell_may_use_the_names_for_its_own_values(open_repl: OpenRepl) -> None:
    repl = await open_repl(TEXT)
    assert (await repl("records = [1]\nheader = 'mine'")).error is None
    assert (await repl("records, header, len(fields.names)")).result == "([1], 'mine', 4)"
    assert (await repl("SHOW_VARS()")).result == (
        "records: list, length 1\nheader: str, length 4 = 'mine'"
    )


async def test_what_cells_did_not_make_is_no_variable_of_theirs(open_repl: OpenRepl) -> None:
    repl = await open_repl(TEXT)
    result = await repl("len(records), look, judged, Counter, re")
    assert result.error is None
    assert (await repl("SHOW_VARS()")).result == "no variables yet"


async def test_a_restarted_repl_has_them_again(open_repl: OpenRepl) -> None:
    repl = await open_repl(TEXT)
    assert (await repl("len(records)")).result == "12"
    ended = await repl("import os; os._exit(1)")
    assert ended.restarted
    assert (await repl("len(records), fields.names[-1]")).result == "(12, 'label')"


async def test_a_slice_has_records_of_its_own(open_pool: OpenPool) -> None:
    pool = await open_pool(TEXT)
    start = TEXT.index("Date:")
    end = TEXT.index("\n", TEXT.index("teapot 3"))
    part = Repl(await pool.start(part=ContextSlice(start, end)), EchoHost())
    assert (await part("len(records), LABELS, fields.names")).result == (
        "(4, [], ['date', 'user', 'review'])"
    )


async def test_a_field_of_the_cells_own_is_judged_in_one_batch(open_repl: OpenRepl) -> None:
    host = ReviewHost()
    repl = await open_repl(TEXT, host=host)
    await repl("fields.tone = judged(['glowing', 'harsh'], about='What is its tone?')")
    result = await repl("sum(r['tone'] == 'glowing' for r in records)")
    assert result.error is None
    assert result.result == "6"
    judged = [call for call in host.calls if call.args.get("choices") == ["glowing", "harsh"]]
    assert len(judged) == 1
    assert len(judged[0].texts) == 12
    assert "What is its tone?" in str(judged[0].args["system"])


async def test_documents_are_records_too(open_repl: OpenRepl) -> None:
    books = [("a.txt", "alpha\n"), ("b.txt", "beta\n")]
    repl = await open_repl("", documents=books)
    assert (await repl("[(r.name, r.text) for r in records]")).result == str(books)
    assert (await repl("look('x')['shape'], look('x')['n']")).result == "('documents', 2)"


def test_a_text_is_read_when_a_cell_first_mentions_it() -> None:
    names = names_of(TEXT)
    assert names.mentioned("print(context[:100])") == {}
    assert names.mentioned("my_records = headers = 1") == {}
    assert not names.table.rows
    values = names.mentioned("for r in records: pass")
    assert values.keys() == {"records", "fields", "header", "footer", "LABELS"}
    assert names.mentioned("LABELS")["records"] is values["records"]


def test_a_text_without_records_says_why() -> None:
    names = names_of("def f(x):\n    return x\n\nimport os\n\nclass A:\n    pass\n")
    records = names.values()["records"]
    assert records == []
    assert repr(records) == "[] (no records: the text is source code)"
    assert repr(names.values()["fields"]).startswith("no fields")
    assert names.look("q")["shape"] == "code"


def test_labels_take_the_capitals_of_the_question() -> None:
    text = reviews().replace("'glowing', 'mixed', 'harsh'", "'true', 'false'")
    names = names_of(text, labeller=FakeLabeller(lambda text: "True"))
    names.look("How many lines have label 'True'?")
    assert names.labels == ["True", "false"]
    assert names.table.rows[0]["label"] == "True"


def test_labels_are_spelled_as_the_column_of_labels_has_them() -> None:
    lines = [
        f"User: {i} || Class: {['ham', 'spam'][i % 2]} || Text: hello my {i}" for i in range(9)
    ]
    names = names_of("\n".join(["Each line has a label; the labels are: Spam, Ham", "", *lines]))
    assert names.values()["LABELS"] == ["spam", "ham"]
    assert sum(row["label"] == names.labels[0] for row in names.table.rows) == 4
