from typing import Any

import pytest

from rlm_local.cli.durations import DURATION
from rlm_local.cli.server_lines import lines_of

SERVER: dict[str, Any] = {
    "roles": ["root", "worker"],
    "model": "m",
    "state": "answers",
    "max_model_len": 16384,
    "max_num_seqs": 16,
    "pid": 7,
    "ready_s": 61.0,
    "ram_bytes": 3 << 30,
    "gpu_bytes": None,
    "restarts": 0,
    "last_failure": None,
    "requests_running": 2,
    "requests_waiting": 5,
    "kv_cache_use": 0.125,
    "prefix_hit_rate": None,
    "prompt_tokens_per_s": 1234.5,
    "generation_tokens_per_s": 56.0,
}
STACK: dict[str, Any] = {
    "stack": "small",
    "up_s": 7200.0,
    "kept": True,
    "idle_timeout_s": 0.0,
    "users": 0,
    "servers": [SERVER],
}


def test_a_stack_is_told_in_three_lines() -> None:
    assert list(lines_of(STACK)) == [
        "small, up for 2 h 0 min, not used now, kept until `rlm-local down`",
        "  root and worker: m, answers, window 16,384 tokens, 16 sequences",
        "    pid 7, ready for 1 min 1 s, memory 3.0 GiB",
        "    requests 2 running, 5 waiting, KV cache 12% in use, 1,234 prompt + 56 reply tokens/s",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"users": 2}, "used by 2 now, kept until"),
        ({"kept": False, "users": 1}, "used by 1 now, stops with its last user"),
        ({"idle_timeout_s": 1800.0}, "stops when unused for 30 min 0 s"),
    ],
)
def test_what_holds_a_stack_is_told(changes: dict[str, Any], said: str) -> None:
    assert said in next(lines_of({**STACK, **changes}))


def test_restarts_are_told_with_their_cause() -> None:
    server = {**SERVER, "restarts": 2, "last_failure": "it was killed", "gpu_bytes": 1 << 30}
    lines = list(lines_of({**STACK, "servers": [server]}))
    assert "GPU 1.0 GiB, restarts 2 (it was killed)" in lines[2]


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90", 90), ("90s", 90), ("1.5h", 5400), ("30m", 1800)]
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds
