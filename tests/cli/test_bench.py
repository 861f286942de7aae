import json
from pathlib import Path
from typing import Any

import pytest

from rlm_local.bench.labelled_lines import sample_lines
from tests.cli.command import CommandLine, cell
from tests.fakes.openai_server import OpenAIServer

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
    server.options.replies = [cell("print(context[:40])\nFINAL('12')")]
    at = ["--base-url", server.base_url, "--tasks", "2", "--no-look", "--style", "fence"]
    done = await rlm_local("bench", "profile", "root", *at)
    assert done.code == 0, done.stderr
    assert "Recommended: coder fence" in done.stdout
    assert "style: fence" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["worker", "--sizes", "0"], "write numbers above zero"),
        (["worker", "--base-url", "http://127.0.0.1:9"], "needs --worker NAME"),
        (["profile", "unheard-of"], "no stack of models.yaml has the root"),
        (["profile", "root", "--base-url", "http://x", "--base", "codr"], "codr"),
    ],
)
async def test_what_is_wrong_is_told_in_a_line(
    rlm_local: CommandLine, arguments: list[str], said: str
) -> None:
    done = await rlm_local("bench", *arguments)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
