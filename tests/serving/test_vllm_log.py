from pathlib import Path

import pytest

from rlm_local.serving.vllm_log import LogFollower, phase_of

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
