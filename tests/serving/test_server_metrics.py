from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from rlm_local.serving.endpoint import Endpoint
from rlm_local.serving.server_metrics import metrics_of, rates_between, read_metrics

RECORDED = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="root"} 3.0
vllm:num_requests_waiting{engine="0",model_name="root"} 12.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="root",reason="capacity"} 12.0
vllm:kv_cache_usage_perc{engine="0",model_name="root"} 0.25
vllm:prefix_cache_queries_total{engine="0",model_name="root"} 2000.0
vllm:prefix_cache_hits_total{engine="0",model_name="root"} 1.5e+03
vllm:num_preemptions_total{engine="0",model_name="root"} 1.0
vllm:prompt_tokens_total{engine="0",model_name="root"} 2100.0
vllm:generation_tokens_total{engine="0",model_name="root"} 300.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="root"} 9.0
"""


def test_a_recorded_page_is_read() -> None:
    found = metrics_of(RECORDED)
    assert (found.running, found.waiting, found.kv_cache_use) == (3, 12, 0.25)
    assert (found.prompt_tokens, found.generation_tokens) == (2100, 300)
    assert (found.prefix_hit_rate, found.preemptions) == (0.75, 1)


def test_engines_of_one_server_are_added_up_and_their_use_is_a_mean() -> None:
    other = RECORDED.replace('engine="0"', 'engine="1"').replace("} 0.25", "} 0.75")
    found = metrics_of(RECORDED + other)
    assert (found.running, found.prompt_tokens, found.kv_cache_use) == (6, 4200, 0.5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "python_info 1.0\n",
        "vllm:num_requests_running NaNsense\n",
        "vllm:num_requests_running NaN\n",
        "vllm:num_requests_running +Inf\n",
    ],
)
def test_what_is_not_told_is_none(text: str) -> None:
    found = metrics_of(text)
    assert found.running is None
    assert found.prefix_hit_rate is None
    assert rates_between(found, found) is None


CACHE = 'vllm:cache_config_info{block_size="16",engine="0",num_gpu_blocks="2048"} 1.0\n'


def test_the_kv_cache_is_told_in_tokens_all_engines_together() -> None:
    assert metrics_of(RECORDED).kv_cache_tokens is None
    assert metrics_of(RECORDED + CACHE).kv_cache_tokens == 2048 * 16
    assert metrics_of(CACHE + CACHE.replace('"0"', '"1"')).kv_cache_tokens == 2 * 2048 * 16
    assert metrics_of(CACHE.replace('"2048"', '"None"')).kv_cache_tokens is None


def test_rates_are_of_the_time_between_and_never_negative() -> None:
    before = replace(metrics_of(RECORDED), at_s=10.0)
    now = replace(before, at_s=12.0, prompt_tokens=2300.0, generation_tokens=360.0)
    rates = rates_between(before, now)
    assert rates is not None
    assert (rates.prompt_tokens_per_s, rates.generation_tokens_per_s) == (100, 30)
    restarted = rates_between(before, replace(now, prompt_tokens=0.0, generation_tokens=0.0))
    assert restarted is not None
    assert restarted.prompt_tokens_per_s == 0


@pytest.fixture
async def socket(tmp_path: Path) -> AsyncIterator[Path]:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text=RECORDED)

    app = web.Application()
    app.router.add_get("/metrics", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s")).start()
    yield tmp_path / "s"
    await runner.cleanup()


@pytest.mark.parametrize("base_url", ["http://localhost/v1", "http://localhost/v1/"])
async def test_the_page_is_asked_for_beside_the_api_and_over_its_socket(
    socket: Path, base_url: str
) -> None:
    found = await read_metrics(Endpoint(base_url, "key", "root", socket))
    assert found is not None
    assert found.running == 3


async def test_a_server_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    assert await read_metrics(Endpoint("http://localhost/v1", "k", "root", tmp_path / "s")) is None
