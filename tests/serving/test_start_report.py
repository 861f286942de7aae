from rlm_local.serving.start_report import StartReport, read_report

CPU = """\
(APIServer pid=1) INFO 11-23 14:29:41 [api_server.py:104] vLLM API server version 0.32.0
(EngineCore pid=2) INFO 11-23 14:30:11 [kv_cache_utils.py:2327] CPU KV cache size: 87,360 tokens, \
Maximum concurrency for 8,192 tokens per request: 10.66x
"""
CUDA = """\
(EngineCore pid=2) INFO Initializing a V1 LLM engine (v0.33.0) with config:
(Worker pid=3) INFO Model loading took 16.5 GiB memory and 9.1 seconds
(Worker pid=3) INFO Available KV cache memory: 3.4 GiB
(EngineCore pid=2) INFO GPU KV cache size: 37,120 tokens
(Worker pid=3) INFO Graph capturing finished in 17 secs, took 0.50 GiB
"""


def test_a_cpus_start_tells_version_and_tokens() -> None:
    assert read_report(CPU) == StartReport("0.32.0", 87_360, None, None, None)


def test_a_gpus_start_tells_bytes_too() -> None:
    gib = 1 << 30
    assert read_report(CUDA) == StartReport(
        "0.33.0", 37_120, round(3.4 * gib), round(16.5 * gib), gib // 2
    )


def test_what_is_not_said_is_none() -> None:
    assert read_report("") == StartReport(None, None, None, None, None)
