import pytest

from rlm_local.engine.models import Models
from rlm_local.engine.prompts import load_profile
from rlm_local.registry import load_registry
from rlm_local.session.models import OpenModels
from tests.fakes.parts import CallableModel, echo


def _opened(window_tokens: int, reply_tokens: int) -> OpenModels:
    registry = load_registry()
    worker = CallableModel(echo(), name="worker", context_tokens=window_tokens)
    models = Models(root=worker, worker=worker, worker_max_tokens=reply_tokens)
    profile = load_profile("coder", registry.profile("coder"))
    return OpenModels(models, profile, "test", 1000, worker.aclose)


@pytest.mark.parametrize("window_tokens", [2048, 8192, 32_768, 262_144])
def test_a_cell_is_told_what_fits_the_workers_window(window_tokens: int) -> None:
    facts = _opened(window_tokens, 256).repl_facts()
    assert 0 < facts.worker_prompt_chars <= (window_tokens - 256) * 4
    assert 0 < facts.chunk_chars <= facts.worker_prompt_chars // 2


def test_a_tiny_window_still_holds_something() -> None:
    assert _opened(256, 256).repl_facts().chunk_chars > 0
