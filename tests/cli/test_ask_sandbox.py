"""`--sandbox` from the command line: what is asked for, what it came to, and where one reads it."""

import json
from pathlib import Path

import pytest

from tests.cli.command import CommandLine, Done, at, cell, ended
from tests.fakes.openai_server import OpenAIServer
from tests.sandbox.simulated_kernels import command

FINISH = cell('FINAL(context.split("code word is ")[1].split()[0])')
QUESTION = "What is the code word?"
BANNER = "SANDBOX OFF: code the model writes runs as you"


def _arguments(text: Path, server: OpenAIServer, *more: str) -> list[str]:
    fixed = ["--mode", "rlm", "--trace", "run.jsonl", "--json"]
    return ["ask", QUESTION, "-c", str(text), *fixed, *more, *at(server)]


async def _on_kernel(rlm_local: CommandLine, *kernels: str, arguments: list[str]) -> Done:
    """The command on a kernel that refuses something."""
    before = command(kernels, "-m", "rlm_local", *arguments)
    return await ended(await rlm_local.start_program(*before))


def _sandbox_of(trace: Path) -> dict[str, str]:
    with trace.open(encoding="utf-8") as lines:
        told: dict[str, str] = json.loads(next(lines))["sandbox"]
    return told


async def test_off_is_told_on_every_run_and_stamped_into_answer_and_trace(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, tmp_path: Path
) -> None:
    server.options.replies = [FINISH]
    done = await rlm_local(*_arguments(text, server, "--sandbox", "off", "--quiet"))
    shown = json.loads(done.stdout)
    assert (done.code, shown["answer"]) == (0, "plum-7")
    assert done.stderr.count(BANNER) == 1, "one line, also when quiet"
    assert len(done.stderr.splitlines()) == 1
    assert (shown["sandbox"], shown["sandbox_level"]) == ("off", "off")
    record = _sandbox_of(tmp_path / "run.jsonl")
    assert set(record.values()) == {"off"}
    seen = await rlm_local("trace", "show", "run.jsonl")
    assert "OFF: code the model wrote ran as the user, unconfined" in seen.stdout


async def test_off_is_stamped_even_where_no_cell_ran(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, tmp_path: Path
) -> None:
    server.options.replies = ["plum-7"]
    options = ["--trace", "run.jsonl", "--sandbox", "off", "--json"]
    done = await rlm_local("ask", QUESTION, "-c", text, *options, *at(server))
    assert json.loads(done.stdout)["mode"] == "direct"
    assert json.loads(done.stdout)["sandbox"] == "off"
    assert BANNER in done.stderr
    assert _sandbox_of(tmp_path / "run.jsonl")["policy"] == "off"


async def test_auto_writes_policy_level_and_properties_down(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, tmp_path: Path
) -> None:
    server.options.replies = [FINISH]
    done = await rlm_local(*_arguments(text, server))
    shown = json.loads(done.stdout)
    assert shown["sandbox"] == "auto"
    assert shown["sandbox_level"] in {"full", "standard", "sealed"}
    assert f", sandbox {shown['sandbox_level']}" in done.stderr
    assert BANNER not in done.stderr
    record = _sandbox_of(tmp_path / "run.jsonl")
    assert (record["policy"], record["level"]) == ("auto", shown["sandbox_level"])
    assert record["files"].startswith("active: by ")
    assert record["layer.seccomp"] == "active"
    seen = await rlm_local("trace", "show", "run.jsonl")
    assert f"{record['level']} (policy auto)" in seen.stdout


@pytest.mark.parametrize("name", ["RLM_LOCAL_SANDBOX", "RLM_SANDBOX", "SANDBOX"])
async def test_no_environment_variable_switches_it_off(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, name: str
) -> None:
    server.options.replies = [FINISH]
    done = await ended(await rlm_local.start(*_arguments(text, server), **{name: "off"}))
    assert json.loads(done.stdout)["sandbox"] == "auto"
    assert BANNER not in done.stderr


@pytest.mark.parametrize("policy", ["auto", "sealed", "require-full"])
async def test_a_machine_that_cannot_confine_is_refused_never_run_without(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, policy: str
) -> None:
    server.options.replies = [FINISH]
    arguments = _arguments(text, server, "--sandbox", policy)
    done = await _on_kernel(rlm_local, "no-seccomp", arguments=arguments)
    assert (done.code, done.stdout) == (2, "")
    assert "EINVAL" in done.stderr
    assert "seccomp" in done.stderr
    assert not server.requests, "nothing was asked of a model"


async def test_auto_falls_back_to_sealed_and_says_so(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = [FINISH]
    done = await _on_kernel(rlm_local, "docker-old", arguments=_arguments(text, server))
    assert json.loads(done.stdout)["sandbox_level"] == "sealed"
    assert "sandbox sealed (`rlm-local doctor` says what is missing)" in done.stderr


async def test_require_full_names_each_row_that_is_missing(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    arguments = _arguments(text, server, "--sandbox", "require-full")
    done = await _on_kernel(rlm_local, "docker", arguments=arguments)
    assert (done.code, done.stdout) == (2, "")
    for row in ("metadata", "second_layer"):
        assert f"\n  {row} degraded: " in done.stderr
    assert "unshare: EPERM" in done.stderr
    assert done.stderr.count("fix: ") >= 2
