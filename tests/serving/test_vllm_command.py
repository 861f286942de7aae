from dataclasses import replace
from pathlib import Path

import pytest

from rlm_local.serving.vllm_command import ServerPlan, command, environment

CPU = ServerPlan(
    model_folder=Path("/weights/m"),
    device="cpu",
    max_model_len=16384,
    max_num_seqs=16,
    kv_cache_bytes=1 << 30,
    cache_folder=Path("/home/c"),
    log_path=Path("/home/l"),
)
CUDA = replace(CPU, device="cuda", gpu_share=0.45, gpus=(1,), served_names=("root",))


def flag(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def test_both_roles_are_names_of_one_server() -> None:
    arguments = command(CPU, socket=Path("/s"))
    at = arguments.index("--served-model-name")
    assert arguments[at + 1 : at + 3] == ["root", "worker"]


def test_an_adapter_is_what_the_root_is_served_through() -> None:
    arguments = command(replace(CPU, root_adapter=Path("/weights/a")), socket=Path("/s"))
    assert flag(arguments, "--served-model-name") == "worker"
    assert "root" not in arguments
    assert flag(arguments, "--lora-modules") == "root=/weights/a"
    alone = command(replace(CUDA, root_adapter=Path("/weights/a")), socket=Path("/s"))
    assert flag(alone, "--served-model-name") == "base"
    assert "--lora-modules" not in command(CPU, socket=Path("/s"))


def test_a_socket_takes_the_place_of_host_and_port() -> None:
    assert "--host" not in command(CPU, socket=Path("/s"))
    arguments = command(replace(CPU, port=8123), socket=None)
    assert (flag(arguments, "--host"), flag(arguments, "--port")) == ("127.0.0.1", "8123")


def test_a_cpu_server_has_blocks_that_short_prefixes_fill() -> None:
    arguments = command(CPU, socket=Path("/s"))
    assert flag(arguments, "--block-size") == "32"
    assert "--enforce-eager" in arguments
    assert "--gpu-memory-utilization" not in arguments


def test_a_gpu_server_lowers_the_share_that_is_checked_at_its_start() -> None:
    arguments = command(CUDA, socket=Path("/s"))
    assert flag(arguments, "--gpu-memory-utilization") == "0.450"
    assert flag(arguments, "--kv-cache-memory-bytes") == str(1 << 30)
    assert "--enforce-eager" not in arguments


def test_flags_of_the_model_come_last() -> None:
    assert command(replace(CPU, extra_args=("--x", "1")), socket=Path("/s"))[-2:] == ["--x", "1"]


def test_what_the_planner_leaves_to_vllm_is_not_asked_for() -> None:
    arguments = command(CUDA, socket=Path("/s"))
    for name in ("tensor-parallel", "data-parallel", "kv-cache-dtype", "block", "max-num-batched"):
        assert not [word for word in arguments if word.startswith(f"--{name}")]


def test_several_cards_cache_type_and_steps_are_passed_on() -> None:
    plan = replace(
        CUDA, tensor_parallel_size=2, data_parallel_size=3, kv_cache_dtype="fp8", block_size=64,
        max_num_batched_tokens=8192,
    )  # fmt: skip
    arguments = command(plan, socket=Path("/s"))
    assert flag(arguments, "--tensor-parallel-size") == "2"
    assert flag(arguments, "--data-parallel-size") == "3"
    assert flag(arguments, "--kv-cache-dtype") == "fp8"
    assert flag(arguments, "--block-size") == "64"
    assert flag(arguments, "--max-num-batched-tokens") == "8192"


@pytest.mark.parametrize(
    "switch",
    ["--enable-prompt-tokens-details", "--enable-force-include-usage", "--scheduling-policy"],
)
def test_usage_and_priorities_are_always_on(switch: str) -> None:
    assert switch in command(CPU, socket=Path("/s"))
    assert switch in command(CUDA, socket=Path("/s"))


def test_variables_of_a_plan_do_not_turn_our_switches() -> None:
    plan = replace(CPU, extra_env=(("NCCL_P2P_DISABLE", "1"), ("HF_HUB_OFFLINE", "0")))
    seen = environment(plan, api_key="k", scratch=Path("/s"), inherited={})
    assert (seen["NCCL_P2P_DISABLE"], seen["HF_HUB_OFFLINE"]) == ("1", "1")


def test_proxies_and_secrets_stay_out_of_the_environment() -> None:
    inherited = {
        "PATH": "/bin",
        "CUDA_HOME": "/cuda",
        "HF_TOKEN": "secret",
        "OPENAI_API_KEY": "secret",
        "https_proxy": "http://proxy",
        "PYTHONPATH": "/elsewhere",
    }
    seen = environment(CPU, api_key="key", scratch=Path("/s"), inherited=inherited)
    assert {"PATH", "CUDA_HOME"} <= set(seen)
    assert not {"HF_TOKEN", "OPENAI_API_KEY", "https_proxy", "PYTHONPATH"} & set(seen)


@pytest.mark.parametrize(
    "switch", ["VLLM_NO_USAGE_STATS", "DO_NOT_TRACK", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]
)
def test_telemetry_and_hub_are_off(switch: str) -> None:
    assert environment(CPU, api_key="k", scratch=Path("/s"), inherited={})[switch] == "1"


def test_cores_and_cards_are_bound_as_planned() -> None:
    bound = replace(CPU, cpu_threads="0-3")
    seen = environment(bound, api_key="k", scratch=Path("/s"), inherited={})
    assert seen["VLLM_CPU_OMP_THREADS_BIND"] == "0-3"
    seen = environment(CUDA, api_key="k", scratch=Path("/s"), inherited={})
    assert seen["CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "{lib}/libiomp5.so"),
        ("/x.so", "{lib}/libiomp5.so:/x.so"),
        ("/libiomp5.so", "/libiomp5.so"),
    ],
)
def test_intels_openmp_is_loaded_where_it_is_installed(
    tmp_path: Path, before: str, after: str
) -> None:
    library = tmp_path / "lib"
    library.mkdir()
    plan = replace(CPU, python=tmp_path / "bin" / "python")
    inherited = {"LD_PRELOAD": before} if before else {}
    seen = environment(plan, api_key="k", scratch=Path("/s"), inherited=inherited)
    assert seen.get("LD_PRELOAD", "") == before
    (library / "libiomp5.so").touch()
    seen = environment(plan, api_key="k", scratch=Path("/s"), inherited=inherited)
    assert seen["LD_PRELOAD"] == after.format(lib=library)
