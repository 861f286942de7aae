import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from rlm_local.bench.labelled_lines import sample_lines
from tests.cli.command import CommandLine, cell
from tests.fakes.openai_server import OpenAIServer

LOCKER = """
codes = [line for line in context.splitlines() if line.startswith("The locker of")]
print(codes)
FINAL(codes[0].split()[-1] if codes else "no idea")
"""
"""Right for one of three lockers; which is asked for, the seed decides."""
LABELS = {line.text: line.label for line in sample_lines()}


def _labels(body: dict[str, Any]) -> str:
    said = str(body["messages"][-1]["content"])
    return next((label for text, label in LABELS.items() if text in said), "food")


async def test_a_worker_is_tried_on_the_built_in_sample(
    rlm_local: CommandLine, server: OpenAIServer
) -> None:
    server.options.replies = [_labels]
    at = ["--base-url", server.base_url, "--worker", "worker"]
    done = await rlm_local("bench", "worker", *at, "--lines", "7", "--sizes", "1", "--json")
    assert done.code == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert (told["lines_a_call"], told["lines"], told["right"], told["failed"]) == (1, 7, 7, 0)


async def test_a_table_tells_labels_and_mistakes(
    rlm_local: CommandLine, server: OpenAIServer, tmp_path: Path
) -> None:
    server.options.replies = ["ham"]
    lines = tmp_path / "lines.tsv"
    lines.write_text("ham\tsee you\nspam\tyou have won\nham\tgood night\n")
    at = ["--base-url", server.base_url, "--worker", "worker"]
    done = await rlm_local("bench", "worker", lines, *at, "--sizes", "1")
    assert done.code == 0, done.stderr
    assert "2 of 3" in done.stdout
    assert "spam taken for ham: 1" in done.stdout


async def test_a_profile_is_recommended(rlm_local: CommandLine, server: OpenAIServer) -> None:
    server.options.replies = [cell(LOCKER)]
    at = ["--base-url", server.base_url, "--tasks", "2", "--no-look", "--style", "fence"]
    done = await rlm_local("bench", "profile", "root", *at)
    assert done.code == 0, done.stderr
    assert "1 of 2" in done.stdout
    assert "Recommended: coder fence" in done.stdout
    assert "style: fence" in done.stdout


async def test_a_size_that_fails_leaves_what_the_others_gave(
    rlm_local: CommandLine, server: OpenAIServer
) -> None:
    def then_gone(body: dict[str, Any]) -> str:
        if "numbered line" in str(body["messages"][-1]["content"]):
            server.options.models = ["another"]
        return _labels(body)

    server.options.replies = [then_gone]
    at = ["--base-url", server.base_url, "--worker", "worker"]
    done = await rlm_local("bench", "worker", *at, "--lines", "6", "--sizes", "1,3,5")
    assert done.code == 0, done.stderr
    assert "6 of 6" in done.stdout
    assert "5 a call came to nothing: " in done.stdout
    assert "does not serve 'worker'" in done.stdout
    assert "1 a call: 6 of 6 right" in done.stderr


async def test_what_has_come_is_told_when_it_is_interrupted(
    rlm_local: CommandLine, server: OpenAIServer
) -> None:
    second = asyncio.Event()

    def then_slow(body: dict[str, Any]) -> str:
        if "numbered line" in str(body["messages"][-1]["content"]):
            server.options.latency_s = 60.0
            second.set()
        return _labels(body)

    server.options.replies = [then_slow]
    at = ["--base-url", server.base_url, "--worker", "worker"]
    done = await rlm_local.interrupted(
        "bench", "worker", *at, "--lines", "6", "--sizes", "1,2", "--json", when=second
    )
    assert done.code == 130
    (told,) = json.loads(done.stdout)
    assert (told["lines_a_call"], told["right"]) == (1, 6)


async def test_where_no_candidate_comes_to_anything_it_says_so_and_exits_with_1(
    rlm_local: CommandLine, server: OpenAIServer
) -> None:
    server.options.fault = "400"
    at = ["--base-url", server.base_url, "--tasks", "1", "--style", "fence"]
    done = await rlm_local("bench", "profile", "root", *at)
    assert done.code == 1
    assert "Recommended: none" in done.stdout
    assert "no candidate got any task to an end" in done.stderr


async def test_where_nothing_is_right_nothing_is_recommended(
    rlm_local: CommandLine, server: OpenAIServer
) -> None:
    server.options.replies = [cell("print(context[:40])\nFINAL('no idea')")]
    at = ["--base-url", server.base_url, "--tasks", "1", "--style", "fence", "--no-look"]
    done = await rlm_local("bench", "profile", "root", *at, "--json")
    assert done.code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["recommended"] is None
    assert [trial["right"] for trial in told["trials"]] == [[False]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["worker", "--sizes", "0"], "write numbers above zero"),
        (["worker", "--base-url", "http://127.0.0.1:9"], "needs --worker NAME"),
        (["profile", "unheard-of"], "no stack of models.yaml has the root"),
        (["profile", "root", "--base-url", "http://x", "--base", "codr"], "codr"),
        (["profile", "root", "--base-url", "http://x", "--style", "tool"], "'tool' is not one of"),
    ],
)
async def test_what_is_wrong_is_told_in_a_line(
    rlm_local: CommandLine, arguments: list[str], said: str
) -> None:
    done = await rlm_local("bench", *arguments)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
