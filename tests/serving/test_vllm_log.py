from pathlib import Path

import pytest

from rlm_local.serving.vllm_log import LogFollower, cause_of_failure, phase_of

RECORDED_START = """\
(APIServer pid=8885) INFO 11-23 14:29:41 [model.py:733] Resolved architecture: Qwen2ForCausalLM
(Worker pid=9073) INFO 11-23 14:30:03 [cpu_model_runner.py:68] Starting to load model /m...
Loading safetensors checkpoint shards: 100% Completed | 1/1 [00:04<00:00,  4.40s/it]
(Worker pid=9073) INFO 11-23 14:30:08 [default_loader.py:501] Loading weights took 4.41 seconds
(Worker pid=9073) INFO 11-23 14:30:11 [cpu_worker.py:260] Explicitly set (1.0/9.71) GiB for KV \
cache on node 0.
(EngineCore pid=9051) INFO 11-23 14:30:11 [kv_cache_utils.py:2327] CPU KV cache size: 87,360 \
tokens, Maximum concurrency for 8,192 tokens per request: 10.66x
(APIServer pid=8885) INFO 11-23 14:30:21 [entry.py:140] Starting vLLM server on unix:/s
INFO:     Application startup complete.
"""


def test_a_recorded_start_passes_every_phase_in_order(tmp_path: Path) -> None:
    phases = [phase for line in RECORDED_START.splitlines() if (phase := phase_of(line))]
    assert list(dict.fromkeys(phases)) == [
        "loading weights",
        "allocating KV cache",
        "warming up",
        "first token",
    ]


@pytest.mark.parametrize("n_bytes", [1, 7, 100, 100_000])
def test_a_log_may_be_read_in_pieces_of_any_size(tmp_path: Path, n_bytes: int) -> None:
    path = tmp_path / "log"
    follower = LogFollower(path)
    assert follower.advance() == "starting"
    data = RECORDED_START.encode()
    with path.open("wb", buffering=0) as log:
        for start in range(0, len(data), n_bytes):
            log.write(data[start : start + n_bytes])
            follower.advance()
    assert follower.phase == "first token"
    assert follower.tail() == RECORDED_START


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("RuntimeError: operator torchvision::nms does not exist", "pip uninstall -y torchvision"),
        ("/usr/bin/python: Error while finding module specification for "
         "'vllm.entrypoints.openai.api_server' (ModuleNotFoundError: No module named 'vllm')",
         "rlm-local[cpu]"),
        ("ModuleNotFoundError: No module named 'xgrammar'", "xgrammar is missing"),
        ("api_server.py: error: unrecognized arguments: --no-such-flag 3", "--no-such-flag 3"),
        ("OSError: [Errno 98] Address already in use", "port is taken"),
        ("ValueError: To serve at least one request with the model's max seq len (32768), "
         "(0.38 GiB KV cache is needed, which is larger than the available KV cache memory "
         "(0.1 GiB). Based on the available memory, the estimated maximum model length is 8736.",
         "lower --max-model-len (to 8736) or raise --kv-cache-memory-bytes"),
        ("ValueError: User-specified max_model_len (99999) is greater than the derived "
         "max_model_len (max_position_embeddings=32768.0 or model_max_length=None in model's "
         "config.json).", "--max-model-len 99999 is more than the model was made for"),
        ("ValueError: Available memory on node 0 (9.71/23.5 GiB) on kv cache allocation is less "
         "than requested memory for kv (64.0 GiB). Decrease --kv-cache-memory-bytes",
         "64.0 GiB does not fit: 9.71 GiB"),
        ("ValueError: Free memory on device cuda:0 (3.2/23.6 GiB) on startup is less than desired "
         "GPU memory utilization (0.92, 21.7 GiB).", "lower --gpu-memory-utilization"),
        ("ValueError: No available memory for the cache blocks. Try increasing", "smaller stack"),
        ("RuntimeError: [enforce fail at /gloo/transport/tcp/device.cc:212] ifa != nullptr. "
         "Unable to find interface for: [127.0.0.1]", "ip link set lo up"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", "GPU memory ran out"),
        ("RuntimeError: [enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate "
         "memory: you tried to allocate 8 bytes", "memory ran out"),
        ("safetensors_rust.SafetensorError: Error while deserializing header: "
         "MetadataIncompleteBuffer", "rlm-local verify"),
        ("RuntimeError: Cannot find any model weights with `/m`", "weights are incomplete"),
        ("RuntimeError: Failed to infer device type, please set", "no usable NVIDIA GPU"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
    ],
)  # fmt: skip
def test_a_cause_is_named_with_what_mends_it(line: str, says: str) -> None:
    log = f"{RECORDED_START}(EngineCore pid=1) ERROR {line}\n  more lines of a traceback\n"
    assert says in cause_of_failure(log, 1)


def test_a_killed_server_most_likely_ran_out_of_memory() -> None:
    assert "memory ran out" in cause_of_failure(RECORDED_START, 137)


def test_an_unknown_cause_is_the_last_telling_line() -> None:
    log = (
        "ValueError: the real reason\n"
        "RuntimeError: Engine core initialization failed. See root cause above.\n"
    )
    assert cause_of_failure(log, 1) == "ValueError: the real reason"


def test_a_silent_end_is_told_by_its_status() -> None:
    assert cause_of_failure("", 7) == "it ended with status 7"


def test_an_end_without_a_status_and_a_word_may_be_anybodys_doing() -> None:
    assert "somebody may have stopped it" in cause_of_failure(RECORDED_START, None)


def test_an_engine_that_was_killed_is_not_told_as_a_trace_to_look_for() -> None:
    log = (
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. "
        "See stack trace (above) for the root cause.\n"
    )
    assert "its engine was killed" in cause_of_failure(log, None)
    assert cause_of_failure(f"ValueError: the reason\n{log}", None) == "ValueError: the reason"
