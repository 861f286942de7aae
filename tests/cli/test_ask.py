import asyncio
import json
import signal
import time
from pathlib import Path

import pytest

from tests.cli.command import TEXT, CommandLine, at, cell, ended
from tests.fakes.openai_server import Fault, OpenAIServer, ServerOptions

LOOK = cell('print(grep("code word"))')
FINISH = cell('FINAL(context.split("code word is ")[1].split()[0])')
ENDLESS = cell("print(context[:10])\nwhile True:\n    pass")
QUESTION = "What is the code word?"

JSON_KEYS = {
    "answer", "stop_reason", "mode", "turns", "subcalls", "cached_subcalls", "seconds", "usage",
    "context", "stack", "trace",
}  # fmt: skip
USAGE_KEYS = {"prompt_tokens", "cached_tokens", "completion_tokens", "prefix_hit_rate"}


async def test_the_answer_alone_is_on_stdout(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = [LOOK, FINISH]
    done = await rlm_local("ask", QUESTION, "-c", text, "--mode", "rlm", *at(server))
    assert (done.code, done.stdout) == (0, "plum-7\n")
    assert "answered: 2 turns" in done.stderr


async def test_json_is_one_object_with_the_keys_of_the_contract(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = [cell('print(llm_query_batched(["a", "b"]))'), "x", "y", FINISH]
    done = await rlm_local("ask", QUESTION, "-c", text, "--mode", "rlm", "--json", *at(server))
    assert done.code == 0
    shown = json.loads(done.stdout)
    assert set(shown) >= JSON_KEYS
    assert {key: shown[key] for key in ("answer", "stop_reason", "mode", "turns", "subcalls")} == {
        "answer": "plum-7", "stop_reason": "answered", "mode": "rlm", "turns": 2, "subcalls": 2,
    }  # fmt: skip
    assert shown["cached_subcalls"] == 0
    assert shown["seconds"] > 0
    assert set(shown["usage"]) == {"root", "worker"}
    assert all(set(spent) == USAGE_KEYS for spent in shown["usage"].values())
    assert all(spent["completion_tokens"] > 0 for spent in shown["usage"].values())
    context = shown["context"]
    assert (context["chars"], context["documents"]) == (len(TEXT), 1)
    assert context["lines"] == TEXT.count("\n")
    assert len(context["sha256"]) == 64
    assert context["tokens"] > 0
    assert shown["stack"] == "endpoint"
    assert shown["trace"].startswith(rlm_local.environment["RLM_LOCAL_HOME"])
    assert shown["error"] is None


async def test_the_trace_it_names_can_be_shown(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = [LOOK, FINISH]
    await rlm_local(
        "ask", QUESTION, "-c", text, "--mode", "rlm", "--trace", "run.jsonl", *at(server)
    )
    shown = await rlm_local("trace", "show", "run.jsonl")
    assert shown.code == 0
    assert QUESTION in shown.stdout
    assert "plum-7" in shown.stdout


async def test_a_short_context_goes_straight_to_the_root(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = ["plum-7"]
    done = await rlm_local("ask", QUESTION, "-c", text, "--json", *at(server))
    assert json.loads(done.stdout)["mode"] == "direct"
    (request,) = server.requests
    assert "the code word is plum-7" in request["messages"][-1]["content"]


async def test_standard_input_is_a_context_like_any_other(
    rlm_local: CommandLine, server: OpenAIServer
) -> None:
    server.options.replies = [LOOK, FINISH]
    arguments = ["ask", QUESTION, "-c", "-", "--mode", "rlm", "--json", *at(server)]
    done = await rlm_local(*arguments, stdin=TEXT.encode())
    shown = json.loads(done.stdout)
    assert shown["answer"] == "plum-7"
    assert shown["context"]["chars"] == len(TEXT)


async def test_several_contexts_are_several_documents(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "keep.md").write_text("kept\n")
    (tmp_path / "folder" / "drop.log").write_text("dropped\n")
    server.options.replies = [cell("print([d.name for d in documents])"), FINISH]
    paths = ["-c", str(text), "-c", "folder", "--exclude", "*.log"]
    done = await rlm_local("ask", QUESTION, *paths, "--mode", "rlm", "--json", *at(server))
    assert json.loads(done.stdout)["context"]["documents"] == 2
    assert "drop.log" not in server.requests[1]["messages"][-1]["content"]


async def test_a_text_that_is_not_utf8_is_converted(
    rlm_local: CommandLine, server: OpenAIServer, tmp_path: Path
) -> None:
    line = "Die Brücke über den Fluß wurde früher als die Straße eröffnet; das Losungswort.\n"
    (tmp_path / "latin.txt").write_bytes(line.encode("utf-16"))
    server.options.replies = [cell("print(context[:30])"), cell("FINAL(context[4:10])")]
    done = await rlm_local("ask", QUESTION, "-c", "latin.txt", "--mode", "rlm", *at(server))
    assert (done.code, done.stdout) == (0, "Brücke\n")


async def test_without_an_answer_the_exit_code_is_1(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = [cell("x = 1"), cell("y = 2"), ""]
    limits = ["--max-turns", "2", "--mode", "rlm", "--json"]
    done = await rlm_local("ask", QUESTION, "-c", text, *limits, *at(server))
    assert done.code == 1
    assert json.loads(done.stdout)["stop_reason"] == "max_turns"


async def test_a_limit_gives_back_what_was_found(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = [LOOK, cell("x = 1"), lambda body: "the code word is plum-7"]
    limits = ["--max-turns", "2", "--mode", "rlm", "--json"]
    done = await rlm_local("ask", QUESTION, "-c", text, *limits, *at(server))
    assert done.code == 0
    shown = json.loads(done.stdout)
    assert (shown["stop_reason"], shown["answer"]) == ("forced", "the code word is plum-7")


async def test_quiet_says_nothing_but_the_answer(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = ["plum-7"]
    done = await rlm_local("ask", QUESTION, "-c", text, "--quiet", *at(server))
    assert (done.stdout, done.stderr) == ("plum-7\n", "")


async def test_a_trace_on_a_full_disk_costs_a_warning(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = ["plum-7"]
    done = await rlm_local(
        "ask", QUESTION, "-c", text, "--trace", "/dev/full", "--json", *at(server)
    )
    shown = json.loads(done.stdout)
    assert (done.code, shown["answer"], shown["trace"]) == (0, "plum-7", None)
    assert "warning: the trace /dev/full is incomplete: No space left on device" in done.stderr


async def test_no_trace_writes_none(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    done = await rlm_local("ask", QUESTION, "-c", text, "--no-trace", "--json", *at(server))
    assert json.loads(done.stdout)["trace"] is None
    traces = Path(rlm_local.environment["RLM_LOCAL_HOME"]) / "traces"
    assert not traces.exists() or not list(traces.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-c", "texxt.txt"], "no such file or folder: texxt.txt; near it: text.txt"),
        (["-c", "binaries"], "binary"),
        (["-c", "empty.txt"], "the context is empty"),
        (["-c", "-"], "the context is empty"),
        (["-c", "-", "-c", "-"], "can be given once"),
        ([], "no context given"),
        (["-c", "text.txt", "--sandbox", "nonsense"], "no sandbox policy 'nonsense'; use one of"),
        (["-c", "text.txt", "--profile", "codr"], "no profile 'codr'; did you mean 'coder'"),
        (["-c", "text.txt", "--root", "nobody"], "does not serve 'nobody'; it serves root, worker"),
        (["-c", "text.txt", "--base-url", "nonsense"], "not an http(s) URL: 'nonsense'"),
        (["-c", "text.txt", "--worker-base-url", "nonsense"], "not an http(s) URL: 'nonsense'"),
        (["-c", "text.txt", "--cache-salt", ""], "a cache salt has 1 to 1024 characters"),
        (["-c", "text.txt", "--agreement", "0"], "agreement takes 1 (off) to 9 samples, not 0"),
        (["-c", "text.txt", "--agreement", "2", "--mode", "direct"], "mode 'direct' has none"),
        (["-c", "text.txt", "--models-file", "none.yaml"], "cannot read none.yaml"),
    ],
)
async def test_what_the_user_must_change_is_told(
    rlm_local: CommandLine,
    server: OpenAIServer,
    text: Path,
    arguments: list[str],
    said: str,
) -> None:
    (text.parent / "binaries").mkdir()
    (text.parent / "binaries" / "a.bin").write_bytes(bytes(range(256)) * 9)
    (text.parent / "empty.txt").write_text("")
    done = await rlm_local("ask", QUESTION, *at(server), *arguments)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
    assert server.requests == []


@pytest.mark.parametrize("question", ["", " \n"])
async def test_an_empty_question_is_refused(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, question: str
) -> None:
    done = await rlm_local("ask", question, "-c", text, *at(server))
    assert (done.code, done.stderr) == (
        2,
        "error: the question is empty; say what you want to know\n",
    )


@pytest.mark.parametrize("option", ["--root", "--worker", "--worker-base-url"])
async def test_models_of_an_endpoint_need_its_address(
    rlm_local: CommandLine, text: Path, option: str
) -> None:
    done = await rlm_local("ask", QUESTION, "-c", text, option, "x")
    assert done.code == 2
    assert f"{option} is about models at an endpoint; add --base-url URL" in done.stderr


async def test_an_endpoint_given_twice_is_told(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    twice = ["--base-url", server.base_url, *at(server)]
    done = await rlm_local("ask", QUESTION, "-c", text, *twice)
    assert (done.code, done.stdout) == (2, "")
    assert f"base URL given twice: {server.base_url}" in done.stderr


async def test_roles_may_be_served_at_different_places_and_one_that_is_down_is_warned_of(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = [cell('print(llm_query_batched(["a", "b", "c"]))'), FINISH]
    server.options.models = ["root"]
    server.options.api_key = "of-the-root"
    root = ["--base-url", server.base_url, "--base-url", "http://127.0.0.1:9/v1", "--root", "root"]
    worker_options = ServerOptions(models=["worker"], api_key="of-the-worker")
    async with OpenAIServer(worker_options) as elsewhere:
        worker = ["--worker-base-url", elsewhere.base_url, "--worker", "worker"]
        arguments = ["ask", QUESTION, "-c", str(text), "--mode", "rlm", *root, *worker]
        done = await rlm_local(
            *arguments,
            RLM_LOCAL_API_KEY="of-the-root",
            RLM_LOCAL_WORKER_API_KEY="of-the-worker",
        )
    assert (done.code, done.stdout) == (0, "plum-7\n")
    assert (len(server.requests), len(elsewhere.requests)) == (2, 3)
    assert "cannot reach http://127.0.0.1:9/v1/models: Connection refused" in done.stderr
    assert "of-the" not in done.stderr


async def test_a_wrong_key_is_told_and_never_shown(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.api_key = "right"
    done = await rlm_local("ask", QUESTION, "-c", text, "--api-key", "wr0ng", *at(server))
    assert done.code == 2
    assert "401" in done.stderr
    assert "wr0ng" not in done.stderr


async def test_a_home_that_cannot_be_written_is_told(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    arguments = ["ask", QUESTION, "-c", str(text), *at(server)]
    done = await rlm_local(*arguments, RLM_LOCAL_HOME="/proc/nowhere")
    assert done.code == 2
    assert "set RLM_LOCAL_HOME to a folder you can write to" in done.stderr


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("400", "answered 400: this request gets 400"),
        ("garbage", "something that is not JSON"),
        ("truncated", "something that is not JSON"),
        ("empty", "answered with nothing"),
        ("no-choices", "a reply without a message"),
    ],
)
async def test_a_server_that_fails_for_good_ends_the_run(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, fault: Fault, said: str
) -> None:
    server.options.fault = fault
    done = await rlm_local("ask", QUESTION, "-c", text, "--mode", "rlm", "--json", *at(server))
    shown = json.loads(done.stdout)
    assert (done.code, shown["answer"], shown["stop_reason"]) == (1, "", "error")
    assert said in shown["error"]
    assert f"stopped: {shown['error']}" in done.stderr
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", ["429", "503"])
async def test_a_server_that_stays_busy_is_waited_for_until_the_deadline(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, fault: Fault
) -> None:
    server.options.fault = fault
    limits = ["--max-seconds", "1.5", "--mode", "rlm", "--json"]
    done = await rlm_local("ask", QUESTION, "-c", text, *limits, *at(server))
    shown = json.loads(done.stdout)
    assert (done.code, shown["answer"], shown["stop_reason"]) == (1, "", "max_seconds")
    assert len(server.requests) > 1


@pytest.mark.parametrize("fault", ["429", "500", "reset", "null-content"])
async def test_a_hiccup_of_the_server_costs_no_answer(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, fault: Fault
) -> None:
    server.options.fault, server.options.fault_count = fault, 1
    server.options.replies = [FINISH]
    done = await rlm_local("ask", QUESTION, "-c", text, "--mode", "rlm", *at(server))
    assert (done.code, done.stdout) == (0, "plum-7\n")


async def test_a_server_that_hangs_is_left_at_the_deadline(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.fault = "hang"
    limits = ["--max-seconds", "0.5", "--mode", "rlm", "--json"]
    done = await rlm_local("ask", QUESTION, "-c", text, *limits, *at(server))
    shown = json.loads(done.stdout)
    assert (done.code, shown["answer"], shown["stop_reason"]) == (1, "", "max_seconds")


async def test_a_server_that_is_not_there_is_told(rlm_local: CommandLine, text: Path) -> None:
    nobody = ["--base-url", "http://127.0.0.1:9/v1", "--root", "root"]
    done = await rlm_local("ask", QUESTION, "-c", text, *nobody)
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr == ("error: cannot reach http://127.0.0.1:9/v1/models: Connection refused\n")


async def test_a_server_that_dies_in_a_run_leaves_what_was_found(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    second = asyncio.Event()

    def told(body: object) -> str:
        second.set()
        return cell('llm_query("wait")')

    server.options.replies = [LOOK, told]
    arguments = ["ask", QUESTION, "-c", str(text), "--mode", "rlm", "--max-seconds", "4", "--json"]
    process = await rlm_local.start(*arguments, *at(server))
    await asyncio.wait_for(second.wait(), 30)
    await server.close()
    done = await ended(process)
    shown = json.loads(done.stdout)
    assert shown["stop_reason"] in ("error", "max_seconds")
    assert "the code word is plum-7" in shown["answer"]
    assert "Connection refused" in done.stderr


async def test_a_prompt_longer_than_the_workers_window_is_cut_where_the_root_sees_it(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = [cell('llm_query("word " * 60_000)'), "a reply", FINISH]
    done = await rlm_local("ask", QUESTION, "-c", text, "--mode", "rlm", *at(server))
    assert done.stdout == "plum-7\n"
    _, asked, told = server.requests
    assert len(asked["messages"][-1]["content"]) < 150_000
    assert "1 prompt was longer than the language model's window" in told["messages"][-1]["content"]


@pytest.mark.parametrize(
    "odd",
    [
        "I would look at the text first.",
        "",
        f"{LOOK}\nand then\n{LOOK}",
        cell("print(context[:10]"),
        cell('print("x" * (1 << 30))'),
        cell('print("\\ud800")'),
        "half \ud800 a pair",
        cell("raise SystemExit(3)"),
        cell("import os\nos.kill(os.getpid(), 9)"),
    ],
    ids=[
        "no code", "nothing", "two cells", "broken code", "1 GB printed", "surrogate printed",
        "surrogate", "exit", "kill",
    ],
)  # fmt: skip
async def test_no_reply_of_a_root_ends_a_run(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, odd: str
) -> None:
    server.options.replies = [odd, LOOK, FINISH, FINISH]
    done = await rlm_local("ask", QUESTION, "-c", text, "--mode", "rlm", *at(server))
    assert (done.code, done.stdout) == (0, "plum-7\n")


async def test_an_endless_cell_costs_its_time_and_no_more(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = [ENDLESS, FINISH]
    limits = ["--cell-timeout-s", "0.5", "--mode", "rlm"]
    done = await rlm_local("ask", QUESTION, "-c", text, *limits, *at(server))
    assert (done.code, done.stdout) == (0, "plum-7\n")


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["root asked", "cell runs", "batch runs"])
async def test_an_interrupt_ends_everything(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, moment: str, by: signal.Signals
) -> None:
    running = asyncio.Event()

    def told(body: object) -> str:
        running.set()
        return "a reply"

    started_by_cell = cell('llm_query("started")\nwhile True:\n    pass')
    batch = cell('llm_query_batched([f"prompt {n}" for n in range(500)])')
    match moment:
        case "root asked":
            server.options.fault, running = "hang", server.arrived
        case "cell runs":
            server.options.replies = [started_by_cell, told]
        case "batch runs":
            server.options.replies = [batch, told]
            server.options.latency_s = 0.1
    arguments = [
        "ask",
        QUESTION,
        "-c",
        str(text),
        "--mode",
        "rlm",
        "--trace",
        "run.jsonl",
        *at(server),
    ]
    done = await rlm_local.interrupted(*arguments, when=running, by=by)
    assert (done.code, done.stdout) == (130, "")
    assert done.stderr.endswith("interrupted\n")
    shown = await rlm_local("trace", "show", "run.jsonl")
    assert "interrupted" in shown.stdout


async def test_an_interrupt_while_standard_input_is_awaited_is_heard(
    rlm_local: CommandLine, server: OpenAIServer
) -> None:
    process = await rlm_local.start("ask", QUESTION, "-c", "-", *at(server))
    assert process.stdin is not None
    process.stdin.write(b"a first part, and nothing more comes\n")
    await process.stdin.drain()
    await asyncio.to_thread(_wait_until_it_reads, process.pid)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    said = await asyncio.wait_for(process.stderr.read(), 20)
    assert await process.wait() == 130
    assert said.endswith(b"interrupted\n")


def _wait_until_it_reads(pid: int) -> None:
    """Until a thread of it sits in the system call that waits for standard input."""
    selects = {"23", "270", "72"}  # select and pselect6 on x86-64, pselect6 on aarch64
    while not any(
        (thread / "syscall").read_text().split()[0] in selects
        for thread in Path(f"/proc/{pid}/task").iterdir()
    ):
        time.sleep(0.02)


async def test_cell_limits_are_given_by_name(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = [cell("print('x' * 100_000)"), FINISH]
    limits = ["--cell-limit", "output_chars=300", "--cell-limit", "grace_s=2"]
    done = await rlm_local("ask", QUESTION, "-c", text, "--mode", "rlm", *limits, *at(server))
    assert (done.code, done.stdout) == (0, "plum-7\n")
    assert "of 100,001 characters left out" in str(server.requests[-1]["messages"])


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("thread=3", "no cell limit 'thread'; use one of threads, descriptors"),
        ("threads=0", "cell limit threads must be from 1 to 4,096, not 0"),
    ],
)
async def test_a_cell_limit_that_will_not_do_is_told_before_anything_starts(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, limit: str, told: str
) -> None:
    done = await rlm_local("ask", QUESTION, "-c", text, "--cell-limit", limit, *at(server))
    assert done.code == 2
    assert told in done.stderr
    assert server.requests == []
