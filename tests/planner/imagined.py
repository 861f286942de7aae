"""Machines and a models.yaml that exist on paper, for the planner's tests."""

from rlm_local.planner.hardware import Gpu, Hardware
from rlm_local.registry import ModelSpec, ProfileSpec, Registry, Source, StackSpec

GIB = 1 << 30


def model(weights_gib: float, kv_bytes_per_token: int, context_tokens: int = 262144) -> ModelSpec:
    return ModelSpec(
        license="Apache-2.0",
        context_tokens=context_tokens,
        weight_bytes=int(weights_gib * GIB),
        kv_bytes_per_token=kv_bytes_per_token,
        source=Source(repo="owner/name"),
    )


REGISTRY = Registry(
    models={
        "half-b": model(0.92, 12288, 32768),
        "one-and-half-b": model(2.875, 28672, 32768),
        "four-b-fp8": model(4.3, 147456),
        "four-b": model(7.6, 147456),
        "coder-30b-awq": model(17, 98304),
        "dense-27b-fp8": model(28.7, 65536),
        "coder-next-4bit": model(47, 24576),
    },
    profiles={"coder": ProfileSpec(style="fence", system="coder")},
    stacks={
        "cpu-tiny": StackSpec(root="half-b", device="cpu", kv_cache_gib=1, max_model_len=16384),
        "cpu-small": StackSpec(
            root="one-and-half-b", device="cpu", kv_cache_gib=2, max_model_len=16384
        ),
        "cpu-pair": StackSpec(
            root="one-and-half-b", worker="half-b", device="cpu", kv_cache_gib=2,
            worker_kv_cache_gib=1, max_model_len=16384,
        ),
        "gpu-8gb": StackSpec(root="four-b-fp8", vram_gib=8, max_model_len=16384),
        "gpu-24gb": StackSpec(root="coder-30b-awq", vram_gib=24),
        "gpu-48gb": StackSpec(
            root="dense-27b-fp8", worker="four-b-fp8", vram_gib=48, max_model_len=65536
        ),
        "gpu-80gb": StackSpec(
            root="coder-next-4bit", worker="four-b", vram_gib=80, max_model_len=65536
        ),
    },
)  # fmt: skip


def gpu(index: int, total_gib: float, free_gib: float | None = None) -> Gpu:
    free = total_gib if free_gib is None else free_gib
    return Gpu(
        index, f"GPU-{index}", f"Card {total_gib:g}", int(total_gib * GIB), int(free * GIB), (8, 9)
    )


def machine(free_gib: float, *gpus: Gpu, n_cores: int = 8) -> Hardware:
    return Hardware(
        ram_total_bytes=int((free_gib + 2) * GIB),
        ram_available_bytes=int(free_gib * GIB),
        cores=tuple((n,) for n in range(n_cores)),
        cpu_level="avx512_bf16",
        gpus=gpus,
    )


MACHINES = {
    "24 GiB, no GPU": machine(22),
    "8 GiB, no GPU": machine(7),
    "4 GiB, no GPU": machine(3.2),
    "8 GB card": machine(14, gpu(0, 8, 7.6)),
    "12 GB card": machine(14, gpu(0, 12, 11.6)),
    "24 GB card": machine(30, gpu(0, 24, 23.5)),
    "24 GB card under a desktop": machine(30, gpu(0, 24, 21.5)),
    "24 GB card under a game": machine(30, gpu(0, 24, 20.9)),
    "24 GB card in use": machine(30, gpu(0, 24, 6)),
    "48 GB card": machine(60, gpu(0, 48)),
    "80 GB card": machine(120, gpu(0, 79.6, 79)),
    "two 48 GB cards": machine(60, gpu(0, 48), gpu(1, 48)),
    "two 24 GB cards": machine(60, gpu(0, 24, 20), gpu(1, 24, 23.5)),
    "2 GB card": machine(14, gpu(0, 2)),
}
