"""`ask` with the model inside its own process: real weights, no server."""

from pathlib import Path

import pytest

from tests.e2e.commands import PrivateHome
from tests.e2e.offline import cut_off
from tests.e2e.texts import NEEDLE_ANSWER, NEEDLE_QUESTION, haystack

pytestmark = [pytest.mark.weights, pytest.mark.timeout(600)]

STACK = "cpu-tiny-transformers"
N_LINES = 300


def test_a_stack_in_process_finds_the_needle_without_any_network(
    stocked_home: PrivateHome, tmp_path: Path
) -> None:
    text = tmp_path / "text.txt"
    text.write_text(haystack(N_LINES))
    arguments = ("ask", NEEDLE_QUESTION, "--context", text, "--stack", STACK, "--json")
    asked = stocked_home.run(*arguments, prefix=cut_off(loopback=False))
    assert asked.code == 0, asked.stderr
    told = asked.json
    assert NEEDLE_ANSWER in told["answer"]
    assert (told["stack"], told["mode"]) == (STACK, "rlm")
    assert 0 <= told["usage"]["root"]["cached_tokens"] < told["usage"]["root"]["prompt_tokens"]
    # Models are loaded one at a time on a machine; nothing else of a server is there.
    assert {path.name for path in (stocked_home.folder / "servers").iterdir()} <= {"start.lock"}
