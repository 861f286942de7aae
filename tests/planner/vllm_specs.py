"""A program: what vLLM itself says of a model's KV cache, for `test_against_vllm`.

Reads cases (JSON) from standard input, builds each model without memory (the meta device), asks
its layers for their specs and vLLM for the pool, and prints one JSON object. Runs with vLLM for a
CPU, which pages the cache as the others do. Cases over two cards run in two processes.
"""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vllm.config import VllmConfig

os.environ |= {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_DIST_IDENT": f"specs-{os.getpid()}",
}

Case = dict[str, Any]


def main() -> None:
    """Answer every case, each group of them in processes of its own."""
    cases: list[Case] = json.load(sys.stdin)
    import vllm.engine.arg_utils
    import vllm.v1.core.kv_cache_utils
    import vllm.v1.worker.gpu.attn_utils  # noqa: F401  # loaded once, before the forks

    answers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for n_cards in sorted({case["n_cards"] for case in cases}):
            chosen = [case for case in cases if case["n_cards"] == n_cards]
            answers |= _in_processes(chosen, n_cards, Path(scratch, str(n_cards)))
    print(json.dumps(answers))


def _in_processes(cases: Sequence[Case], n_cards: int, scratch: Path) -> dict[str, Any]:
    scratch.mkdir()
    children = [os.fork() or _child(cases, rank, n_cards, scratch) for rank in range(n_cards)]
    statuses = [os.waitpid(child, 0)[1] for child in children]
    if any(statuses):
        raise SystemExit(f"a rank failed: {statuses}")
    answers: dict[str, Any] = json.loads((scratch / "answers.json").read_text())
    return answers


def _child(cases: Sequence[Case], rank: int, n_cards: int, scratch: Path) -> int:
    status = 1
    try:
        answers = {case["name"]: _answer(case, rank, scratch) for case in cases}
        if rank == 0:
            (scratch / "answers.json").write_text(json.dumps(answers))
        status = 0
    finally:
        if status:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        os._exit(status)


def _answer(case: Case, rank: int, scratch: Path) -> dict[str, Any]:
    from vllm.config import set_current_vllm_config
    from vllm.platforms import current_platform
    from vllm.v1.core import kv_cache_utils
    from vllm.v1.worker.gpu.attn_utils import get_kv_cache_spec

    config = _engine_config(case, scratch / f"{case['name']}-{rank}")
    with set_current_vllm_config(config), _ranks(rank, case["n_cards"], scratch):
        _build(config)
        current_platform.update_block_size_for_backend(config)
        specs = get_kv_cache_spec(config)
        config.cache_config.kv_cache_layout = "LBHNC"
        (pool,) = kv_cache_utils.get_kv_cache_configs(config, [specs], [case["pool_bytes"]])
        n_tokens, _ = kv_cache_utils.get_kv_cache_capacity(config, pool)
        pages = {
            (type(spec).__name__, spec.block_size, spec.page_size_bytes)
            for group in pool.kv_cache_groups
            for spec in [group.kv_cache_spec]
        }
    return {
        "pages": sorted(pages),
        "in_flight_tokens": config.max_in_flight_tokens,
        "groups": sorted(len(group.layer_names) for group in pool.kv_cache_groups),
        "n_layers": len(specs),
        "n_blocks": pool.num_blocks,
        "pool_tokens": n_tokens,
    }


def _engine_config(case: Case, folder: Path) -> "VllmConfig":
    from vllm.engine.arg_utils import EngineArgs
    from vllm.model_executor.models.registry import ModelRegistry

    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(case["config"]))
    (architecture,) = case["config"]["architectures"]
    # known by its class, it need not be looked into by a process of its own
    known = ModelRegistry.models[architecture].load_model_cls()
    ModelRegistry.register_model(architecture, known)
    return EngineArgs(
        model=str(folder),
        skip_tokenizer_init=True,
        load_format="dummy",
        dtype="bfloat16",
        enforce_eager=True,
        max_model_len=case["window_tokens"],
        block_size=case["block_tokens"],
        kv_cache_dtype=case["dtype"],
        kv_cache_memory_bytes=case["pool_bytes"],
        max_num_seqs=8,
        tensor_parallel_size=case["n_cards"],
    ).create_engine_config()


@contextlib.contextmanager
def _ranks(rank: int, n_cards: int, scratch: Path) -> Iterator[None]:
    from vllm import distributed

    distributed.init_distributed_environment(
        world_size=n_cards,
        rank=rank,
        local_rank=rank,
        distributed_init_method=f"file://{scratch}/meeting",
        backend="gloo",
    )
    distributed.ensure_model_parallel_initialized(n_cards, 1)
    yield
    distributed.destroy_model_parallel()


def _build(config: "VllmConfig") -> None:
    import torch
    from vllm.model_executor.model_loader.utils import initialize_model
    from vllm.utils.torch_utils import set_default_torch_dtype

    with torch.device("meta"), set_default_torch_dtype(torch.bfloat16):
        initialize_model(vllm_config=config)


if __name__ == "__main__":
    main()
