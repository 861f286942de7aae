"""Servers over several cards and machines: from models.yaml to vLLM's command line."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlm_local.config import Home
from rlm_local.distributed import Distributed, checked_flags
from rlm_local.errors import ConfigError, PlacementError
from rlm_local.planner.hardware import Hardware
from rlm_local.planner.placement import plan
from rlm_local.registry import Registry, bundled_models_file, load_registry
from rlm_local.serving.server_records import ServerRecords
from rlm_local.serving.vllm_command import ServerPlan, command, environment, joining_command
from rlm_local.session.servers import Machine, server_plan
from rlm_local.weights.store import WeightStore
from tests.planner.imagined import gpu, machine

BIG = "qwen3-coder-next-fp8"
SMALL = "qwen3-4b-fp8"
TWO_MACHINES = {"pipeline_parallel": 2, "machines": 2, "address": "10.0.0.1"}


def _registry(folder: Path, **stack: Any) -> Registry:  # noqa: ANN401  # YAML
    data = yaml.safe_load(bundled_models_file().read_text("utf-8"))
    data["stacks"] = {"spread": {"root": BIG, "max_model_len": 32768, **stack}}
    file = folder / "models.yaml"
    file.write_text(yaml.safe_dump(data), "utf-8")
    return load_registry(file)


def _cards(n: int) -> Hardware:
    return machine(200, *(gpu(number, 80, 79) for number in range(n)))


def _server_plans(folder: Path, n_cards: int, **stack: Any) -> list[ServerPlan]:  # noqa: ANN401
    registry = _registry(folder, **stack)
    store = WeightStore(folder / "weights", registry)
    here = Machine(Home(folder), registry, store, ServerRecords(folder / "servers"))
    placement = plan(registry, "spread", _cards(n_cards))
    return [server_plan(here, "spread", placed, folder) for placed in placement.servers]


def _argv(plan_: ServerPlan) -> str:
    return " ".join(command(plan_, socket=Path("s")))


def test_copies_are_asked_for_and_each_gets_its_cards(tmp_path: Path) -> None:
    (server,) = _server_plans(
        tmp_path, 4, root=SMALL, tensor_parallel=2, distributed={"data_parallel": 2}
    )
    assert "--tensor-parallel-size 2 --data-parallel-size 2" in _argv(server)
    assert len(server.gpus) == 4


def test_a_copy_is_planned_as_if_it_were_alone(tmp_path: Path) -> None:
    one = plan(_registry(tmp_path, root=SMALL, tensor_parallel=1), "spread", _cards(1)).servers[0]
    spread = {"data_parallel": 2}
    registry = _registry(tmp_path, root=SMALL, tensor_parallel=1, distributed=spread)
    two = plan(registry, "spread", _cards(2)).servers[0]
    assert two.weight_bytes == one.weight_bytes
    assert two.kv_bytes_per_token == one.kv_bytes_per_token
    assert two.worker_concurrency == 2 * one.worker_concurrency


def test_a_server_over_two_machines_is_told_where_they_meet(tmp_path: Path) -> None:
    (server,) = _server_plans(tmp_path, 4, tensor_parallel=4, distributed=TWO_MACHINES)
    assert (
        "--tensor-parallel-size 4 --pipeline-parallel-size 2 --nnodes 2 --node-rank 0 "
        "--master-addr 10.0.0.1 --master-port 29501"
    ) in _argv(server)
    assert len(server.gpus) == 4
    variables = environment(server, api_key="k", scratch=tmp_path, inherited={})
    assert variables["VLLM_HOST_IP"] == "10.0.0.1"


def test_each_machine_holds_its_part_of_the_weights(tmp_path: Path) -> None:
    whole = load_registry().model(BIG).weight_bytes
    registry = _registry(tmp_path, tensor_parallel=4, distributed=TWO_MACHINES)
    (server,) = plan(registry, "spread", _cards(4)).servers
    assert server.weight_bytes == -(-whole // 8)


def test_without_other_machines_a_server_stays_on_loopback(tmp_path: Path) -> None:
    (server,) = _server_plans(tmp_path, 2, root=SMALL)
    variables = environment(server, api_key="k", scratch=tmp_path, inherited={})
    assert variables["VLLM_HOST_IP"] == "127.0.0.1"


def test_ray_is_told_to_vllm_and_finds_machines_itself(tmp_path: Path) -> None:
    spread = {"executor": "ray", "machines": 2, "pipeline_parallel": 2, "address": "10.0.0.1"}
    (server,) = _server_plans(tmp_path, 4, tensor_parallel=4, distributed=spread)
    assert "--pipeline-parallel-size 2 --distributed-executor-backend ray" in _argv(server)
    assert "--nnodes" not in _argv(server)
    assert not Distributed.model_validate(spread).joining_ranks


def test_the_worker_is_spread_by_keys_of_its_own(tmp_path: Path) -> None:
    root, worker = _server_plans(
        tmp_path,
        4,
        worker=SMALL,
        tensor_parallel=2,
        gpus=[0, 1],
        worker_tensor_parallel=1,
        worker_gpus=[2, 3],
        worker_distributed={"data_parallel": 2},
        worker_vllm_args=["--enable-expert-parallel"],
    )
    assert "--data-parallel-size" not in _argv(root)
    assert _argv(worker).endswith("--data-parallel-size 2 --enable-expert-parallel")
    assert worker.gpus == (2, 3)


def test_the_other_machines_join_without_a_door_of_their_own(tmp_path: Path) -> None:
    (server,) = _server_plans(tmp_path, 4, tensor_parallel=4, distributed=TWO_MACHINES)
    spread = Distributed.model_validate(TWO_MACHINES)
    (rank,) = spread.joining_ranks
    joining = joining_command(server, spread.flags(rank))
    assert joining[:2] == ["vllm", "serve"]
    assert joining[-1] == "--headless"
    assert not {"--uds", "--host", "--port"} & set(joining)


def test_too_few_cards_for_the_copies_are_told(tmp_path: Path) -> None:
    registry = _registry(tmp_path, root=SMALL, tensor_parallel=2, distributed={"data_parallel": 2})
    with pytest.raises(PlacementError, match="there are 3 usable cards"):
        plan(registry, "spread", _cards(3))


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        ({"distributed": {"machines": 2}}, "2 machines need address"),
        ({"distributed": {"machines": 2, "address": "127.0.0.1"}}, "cannot reach this one"),
        ({"distributed": {"address": "10.0.0.1"}}, "set machines too"),
        ({"distributed": TWO_MACHINES}, "distributed over machines needs tensor_parallel"),
        (
            {"distributed": {"machines": 3, "address": "10.0.0.1"}, "tensor_parallel": 4},
            "4 x 1 x 1 cards do not divide over 3 machines",
        ),
        ({"distributed": {"executor": "slurm"}}, "distributed.executor"),
        ({"distributed": {"data_paralel": 2}}, "did you mean 'data_parallel'"),
        ({"device": "cpu", "distributed": {"data_parallel": 2}}, "on GPUs (device: cuda)"),
        ({"vllm_args": ["--port", "80"]}, "--port is set by rlm_local itself"),
        ({"vllm_args": ["-tp=2"]}, "--tensor-parallel-size is set by rlm_local itself; set tensor"),
        ({"vllm_args": ["--max_model_len", "9"]}, "set max_model_len"),
        ({"vllm_args": ["expert"]}, "'expert' does not"),
    ],
)
def test_what_cannot_be_is_told_before_anything_starts(
    tmp_path: Path, stack: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        _registry(tmp_path, **stack)
    assert said in str(caught.value)


def test_flags_of_the_users_own_pass() -> None:
    flags = ("--enable-expert-parallel", "--distributed-timeout-seconds", "1800")
    assert checked_flags(flags) == flags


def test_the_installed_vllm_knows_every_flag() -> None:
    found = find_spec("vllm")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    source = (package / "engine/arg_utils.py").read_text("utf-8")
    source += (package / "entrypoints/launchers/cli_args.py").read_text("utf-8")
    mp = Distributed(pipeline_parallel=2, executor="mp", machines=2, address="10.0.0.1")
    ray = Distributed(executor="ray", data_parallel=2)
    used = {word for word in (*mp.flags(1), *ray.flags()) if word.startswith("--")}
    assert len(used) == 8
    assert [flag for flag in used if f'"{flag}"' not in source] == []
