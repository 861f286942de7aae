import pytest

from rlm_local.serving.failure_causes import cause_of_death, cause_of_failure

BEFORE = """\
(Worker pid=9073) INFO 11-23 14:30:03 [cpu_model_runner.py:68] Starting to load model /m...
INFO:     Application startup complete.
"""


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
        ("ValueError: Error in memory profiling. Initial free memory 10 GiB, current free memory "
         "12 GiB.", "another process freed or took GPU memory"),
        ("huggingface_hub.errors.GatedRepoError: 401 Client Error. Cannot access gated repo for "
         "url", "behind a licence"),
        ("huggingface_hub.errors.LocalEntryNotFoundError: Cannot find the requested files in the "
         "disk cache and outgoing traffic has been disabled.", "rlm-local pull MODEL"),
        ("ValueError: The repository /m requires you to execute the configuration file in that "
         "repo", "Python code of its own"),
        ("ValueError: Model architectures ['Strange'] are not supported for now. Supported:",
         "models of the kind ['Strange']"),
        ("ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. "
         "Your Tesla T4 GPU has compute capability 7.5.", "Tesla T4 cannot compute in bfloat16; "
         "add --dtype half"),
        ("RuntimeError: CUDA error: no kernel image is available for execution on the device",
         "no kernels for this processor or card"),
        ("AttributeError: '_OpNamespace' '_C' object has no attribute 'init_cpu_memory_env'",
         "no kernels for this processor or card"),
        ("RuntimeError: Could not find nvcc and default cuda_home='/usr/local/cuda' doesn't exist",
         "vllm download-kernels"),
        ("torch._inductor.exc.InductorError: CalledProcessError: Command '['gcc']' returned",
         "--enforce-eager"),
        ("torch._dynamo.exc.BackendCompilerFailed: backend='<vllm>' raised:", "--enforce-eager"),
        ("RuntimeError: NCCL error: unhandled system error (run with NCCL_DEBUG=INFO for details)",
         "NCCL_P2P_DISABLE=1"),
        ("ValueError: World size (4) is larger than the number of available GPUs (2) in this node.",
         "ask for 4 cards and 2 are visible"),
        ("ValueError: Total number of attention heads (14) must be divisible by tensor parallel "
         "size (4).", "cut into 4 equal parts"),
        ("api_server.py: error: argument --dtype: invalid choice: 'x' (choose from 'auto')",
         "--dtype was given a wrong value (invalid choice"),
        ("PermissionError: [Errno 13] Permission denied: '/tmp/x/vllm.sock'",
         "may not use /tmp/x/vllm.sock"),
        ("OSError: AF_UNIX path too long", "set TMPDIR to a shorter one"),
    ],
)  # fmt: skip
def test_a_cause_is_named_with_what_mends_it(line: str, says: str) -> None:
    log = f"{BEFORE}(EngineCore pid=1) ERROR {line}\n  more lines of a traceback\n"
    assert says in cause_of_failure(log, 1)


def test_a_killed_server_most_likely_ran_out_of_memory() -> None:
    assert "memory ran out" in cause_of_failure(BEFORE, 137)


def test_an_unknown_cause_is_the_last_telling_line() -> None:
    log = (
        "ValueError: the real reason\n"
        "RuntimeError: Engine core initialization failed. See root cause above.\n"
    )
    assert cause_of_failure(log, 1) == "ValueError: the real reason"


@pytest.mark.parametrize(
    "line",
    [
        "ValueError: the reason",
        "(EngineCore pid=9051) ERROR 11-23 14:30:11 [core.py:1100] a.b.ValueError: the reason",
        "(Worker pid=1) ERROR ValueError: the reason",
    ],
)
def test_an_exception_is_told_whoever_wrote_it_down(line: str) -> None:
    assert cause_of_failure(f"{line}\n", 1) == "ValueError: the reason"


def test_words_of_a_warning_are_no_cause() -> None:
    log = (
        "(APIServer pid=1) WARNING Found ulimit of 4096; this can cause errors like "
        "`OSError: [Errno 24] Too many open files`. Consider increasing with ulimit -n\n"
        "[rlm-local] its engine or a worker of it died\n"
    )
    assert "its engine was killed" in cause_of_failure(log, 1)


def test_a_silent_end_is_told_by_its_status() -> None:
    assert cause_of_failure("", 7) == "it ended with status 7"


def test_an_end_without_a_status_and_a_word_may_be_anybodys_doing() -> None:
    assert "somebody may have stopped it" in cause_of_failure(BEFORE, None)


def test_an_engine_that_was_killed_is_not_told_as_a_trace_to_look_for() -> None:
    log = (
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. "
        "See stack trace (above) for the root cause.\n"
    )
    assert "its engine was killed" in cause_of_failure(log, None)
    assert cause_of_failure(f"ValueError: the reason\n{log}", None) == "ValueError: the reason"


def test_of_several_lives_only_the_last_has_a_say() -> None:
    log = (
        "[rlm-local] starting the server\ntorch.OutOfMemoryError: CUDA out of memory\n"
        "[rlm-local] the server ended with status 1\n"
        "[rlm-local] starting the server\nINFO all is well\n"
    )
    assert "GPU memory" not in cause_of_failure(log, 3)
    assert cause_of_failure(log, 3) == "it ended with status 3"


def test_the_log_itself_may_tell_the_status() -> None:
    log = "[rlm-local] starting the server\n[rlm-local] the server ended with status 137\n"
    assert "it was killed" in cause_of_failure(log, None)


@pytest.mark.parametrize(
    ("line", "may_pass"),
    [
        ("api_server.py: error: unrecognized arguments: --no-such-flag 3", False),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", False),
        ("ValueError: No available memory for the cache blocks. Try increasing", False),
        ("OSError: [Errno 98] Address already in use", True),
        ("SomethingError: nobody knows", True),
    ],
)
def test_a_cause_says_whether_the_same_start_may_go_better_later(line: str, may_pass: bool) -> None:
    assert cause_of_death(f"{line}\n", 1).may_pass is may_pass
