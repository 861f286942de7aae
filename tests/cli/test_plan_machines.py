"""`rlm-local plan` of a server that goes over several machines."""

import json
from pathlib import Path

import yaml

from rlm_local.registry import bundled_models_file
from tests.cli.command import CommandLine

CARDS = ("--vram", "48GiB", "--gpus", "4")


def _models_file(folder: Path) -> Path:
    data = yaml.safe_load(bundled_models_file().read_text("utf-8"))
    spread = {"pipeline_parallel": 2, "machines": 3, "address": "10.0.0.1"}
    data["stacks"] = {
        "wide": {"root": "qwen3-coder-next-fp8", "tensor_parallel": 6, "distributed": spread}
    }
    file = folder / "models.yaml"
    file.write_text(yaml.safe_dump(data), "utf-8")
    return file


async def test_every_machine_gets_its_command(rlm_local: CommandLine, tmp_path: Path) -> None:
    options = ("--models-file", _models_file(tmp_path), *CARDS)
    done = await rlm_local("plan", "--stack", "wide", *options, "--json")
    here, second, third = json.loads(done.stdout)["commands"]
    assert here["env"]["VLLM_HOST_IP"] == "10.0.0.1"
    assert here["env"]["VLLM_API_KEY"]
    for rank, other in ((1, second), (2, third)):
        words = other["argv"]
        assert words[words.index("--node-rank") + 1] == str(rank)
        assert words[-1] == "--headless"
        assert "VLLM_API_KEY" not in other["env"]  # it answers no requests


async def test_it_is_said_where_each_command_runs(rlm_local: CommandLine, tmp_path: Path) -> None:
    done = await rlm_local(
        "plan", "--stack", "wide", "--models-file", _models_file(tmp_path), *CARDS
    )
    assert "# root and worker\n" in done.stdout
    assert "# root and worker, on machine 1 beside this one\n" in done.stdout
    assert "meets other machines at  10.0.0.1" in done.stdout
