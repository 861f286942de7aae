import json
import re
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT
from tests.cli.command import CommandLine
from tests.fakes.stack_on_disk import write_models_file

_MACHINES = ROOT / "tests" / "planner" / "data" / "hardware"
_H100 = _MACHINES / "server-h100-80gb.json"


async def test_every_stack_gets_a_verdict(rlm_local: CommandLine) -> None:
    done = await rlm_local("plan", "--hardware", _MACHINES / "two-rtx-3090.json")

    assert done.code == 0
    assert "GPU 1: NVIDIA GeForce RTX 3090, 23.3 GiB of 24.0 GiB free" in done.stdout
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert " fits " in rows["gpu-24gb"]
    assert "too large" in rows["gpu-80gb"]
    assert "rlm-local plan --stack gpu-24gb" in done.stderr


async def test_a_stack_is_shown_with_figures_and_commands(rlm_local: CommandLine) -> None:
    done = await rlm_local("plan", "--stack", "gpu-80gb", "--hardware", _H100)

    assert (done.code, done.stderr) == (0, "")
    assert re.search(r"KV bytes per token +24,576 +147,456", done.stdout)
    assert "CUDA_VISIBLE_DEVICES=0" in done.stdout
    assert "--kv-cache-memory-bytes 6442450944" in done.stdout
    assert done.stdout.count("-m vllm.entrypoints.openai.api_server") == 2


async def test_the_json_has_the_same_as_numbers(rlm_local: CommandLine) -> None:
    done = await rlm_local("plan", "--stack", "gpu-80gb", "--hardware", _H100, "--json")

    told = json.loads(done.stdout)
    root, worker = told["placement"]["servers"]
    assert (root["kv_bytes_per_token"], worker["kv_bytes_per_token"]) == (24576, 147456)
    assert told["hardware"]["gpus"][0]["name"] == "NVIDIA H100 80GB HBM3"
    for server, command in zip((root, worker), told["commands"], strict=True):
        words = command["argv"]
        assert words[words.index("--max-model-len") + 1] == str(server["max_model_len"])
        share = words[words.index("--gpu-memory-utilization") + 1]
        assert float(share) == server["gpu_memory_utilization"]
        assert command["env"]["HF_HUB_OFFLINE"] == "1"


async def test_all_verdicts_are_in_the_json(rlm_local: CommandLine) -> None:
    done = await rlm_local("plan", "--hardware", _H100, "--json")

    stacks = {one["stack"]: one for one in json.loads(done.stdout)["stacks"]}
    assert stacks["gpu-80gb"]["fits"]
    assert stacks["gpu-141gb"]["placement"] is None
    assert stacks["gpu-141gb"]["refusal"]["short_bytes"] > 0


async def test_hardware_can_be_imagined(rlm_local: CommandLine) -> None:
    done = await rlm_local(
        "plan", "--stack", "gpu-24gb", "--vram", "16GiB", "--gpus", "2", "--compute", "8.6",
        "--ram", "64GiB", "--json",
    )  # fmt: skip

    told = json.loads(done.stdout)
    (server,) = told["placement"]["servers"]
    assert server["tensor_parallel_size"] == 2
    assert told["hardware"]["ram_available_bytes"] == 64 << 30
    assert told["hardware"]["gpus"][1]["compute_capability"] == [8, 6]
    words = told["commands"][0]["argv"]
    assert words[words.index("--tensor-parallel-size") + 1] == "2"
    assert told["commands"][0]["env"]["CUDA_VISIBLE_DEVICES"] == "0,1"


async def test_a_cut_is_told_under_the_table(rlm_local: CommandLine) -> None:
    machine = _MACHINES / "workstation-rtx-4090-desktop.json"
    done = await rlm_local("plan", "--stack", "gpu-24gb", "--hardware", machine)

    assert done.code == 0
    assert "note: window of qwen3-coder-30b-a3b-awq cut from 32,768" in done.stdout


async def test_what_does_not_fit_is_an_error_with_what_would(rlm_local: CommandLine) -> None:
    done = await rlm_local("plan", "--stack", "gpu-24gb", "--vram", "16GiB")

    assert (done.code, done.stdout) == (2, "")
    assert "GiB too little; it would fit with 2 cards like GPU 0; would fit: gpu-16gb" in (
        done.stderr
    )


async def test_a_stack_in_process_has_no_command(rlm_local: CommandLine) -> None:
    done = await rlm_local("plan", "--stack", "cpu-tiny-transformers", "--ram", "16GiB")

    assert done.code == 0
    assert "no server, no command" in done.stdout
    assert "vllm" not in done.stdout


async def test_a_model_of_ones_own_is_planned_too(rlm_local: CommandLine, tmp_path: Path) -> None:
    models = write_models_file(tmp_path / "models.yaml")
    done = await rlm_local("plan", "--models-file", models, "--ram", "8GiB")

    assert done.code == 0
    assert re.search(r"small +tiny +fits", done.stdout)


async def test_a_machine_can_be_recorded_and_planned_for_elsewhere(
    rlm_local: CommandLine, tmp_path: Path
) -> None:
    record = await rlm_local("plan", "--record", "--vram", "48GiB", "--ram", "64")
    (tmp_path / "machine.json").write_text(record.stdout)

    done = await rlm_local("plan", "--hardware", "machine.json", "--stack", "gpu-48gb")

    assert done.code == 0, done.stderr
    assert "imagined 48 GiB card" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--vram", "lots"], "'lots' is no size; write it as 24GiB"),
        (["--ram", "0"], "'0' is no size"),
        (["--vram", "24", "--compute", "new"], "--compute new: a capability is written as 8.9"),
        (["--compute", "9.0"], "give their size with --vram"),
        (["--hardware", "none.json"], "cannot read none.json"),
        (["--gpus", "60"], "imagine them with --vram"),
        (["--stack", "gpu-24"], "did you mean 'gpu-24gb'"),
    ],
)
async def test_what_is_wrong_is_told_with_what_is_right(
    rlm_local: CommandLine, arguments: list[str], said: str
) -> None:
    done = await rlm_local("plan", *arguments)

    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr


async def test_an_adapter_stands_in_the_command_as_the_root(rlm_local: CommandLine) -> None:
    done = await rlm_local("plan", "--stack", "gpu-rlm-30b", "--hardware", _H100)
    assert (done.code, done.stderr) == (0, "")
    assert "--served-model-name worker" in done.stdout
    assert re.search(r"--lora-modules root=\S+/adapter/rlm-qwen3-30b-a3b/source", done.stdout)
    assert "--enable-lora" in done.stdout
