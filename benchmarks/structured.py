"""What the form of a reply costs: the automaton's first use and later ones; masks on a server.

    python -m benchmarks.structured [--model qwen2.5-coder-0.5b] [--only transformers|vllm]

On transformers: seconds until a batch has the mask of a form, when it is first asked for and later.
On vLLM: a reply held to a form against a free one of as many tokens, one after the other, in
turns, on the same server, which this starts and stops.
"""

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from benchmarks.report import Measure, Report, Value, median, print_report
from rlm_local.capacity import FixedServer
from rlm_local.config import Home
from rlm_local.interfaces import Model
from rlm_local.registry import load_registry
from rlm_local.serving.compiled_constraints import CompiledConstraints
from rlm_local.serving.openai_model import OpenAIModel
from rlm_local.serving.structured import token_mask
from rlm_local.serving.tokenizer import FileTokenCounter
from rlm_local.serving.transformers_runner import Runner
from rlm_local.serving.vllm_server import ServerPlan, VllmServer
from rlm_local.types import (
    Choices,
    Completion,
    Constraint,
    JsonSchema,
    Message,
    ModelRequest,
    Regex,
    Sampling,
)
from rlm_local.weights.store import WeightStore

__all__ = ["FORMS", "main"]

_PERSON = (
    '{"additionalProperties": false, "properties": {"name": {"maxLength": 20, "type": "string"}, '
    '"born": {"format": "date", "type": "string"}, "tags": {"items": {"type": "string"}, '
    '"maxItems": 3, "minItems": 3, "type": "array"}}, "required": ["name", "born", "tags"], '
    '"type": "object"}'
)
FORMS: dict[str, Constraint] = {
    "six labels": Choices(("person", "place", "number", "description", "entity", "other")),
    "regex": Regex("[A-Z][a-z]{2,9} [0-9]{4}"),
    "int": JsonSchema('{"type": "integer", "minimum": 0, "maximum": 1000}'),
    "list of 3 dates": JsonSchema(
        '{"items": {"format": "date", "type": "string"}, "maxItems": 3, "minItems": 3, '
        '"type": "array"}'
    ),
    "object": JsonSchema(_PERSON),
}
_QUESTION = "Ada Lovelace, born on 10 December 1815, wrote about the engine. Describe her."
_MAX_TOKENS = 100
_AGAINST_FREE = 1.1


def _request(constraint: Constraint | None, max_tokens: int) -> ModelRequest:
    return ModelRequest((Message("user", _QUESTION),), Sampling(max_tokens), constraint)


async def _timed(model: Model, request: ModelRequest) -> tuple[Completion, float]:
    started = time.perf_counter()
    reply = await model.complete(request)
    return reply, time.perf_counter() - started


async def in_process(folder: Path, repeats: int) -> Report:
    """First and later masks of each form, over the real model's tokens."""
    runner = Runner(folder, "cpu", 2048, {})
    tokens = await asyncio.to_thread(runner.vocabulary)

    async def vocabulary() -> bytes:
        return tokens

    rows: list[dict[str, Value]] = []
    measures: list[Measure] = []
    async with contextlib.aclosing(CompiledConstraints(vocabulary)) as compiled:
        await compiled.get(Regex("warm|up"))  # imports Outlines
        for name, form in FORMS.items():
            first_s = await _mask_s(compiled, form)
            later = [await _mask_s(compiled, form) for _ in range(repeats)]
            size = (await compiled.get(form)).n_bytes / 1e6
            rows.append({"form": name, "MB": size, "first s": first_s, "later s": median(later)})
            measures.append(Measure(f"{name}: first use", first_s, "s", "later", median(later)))
    return Report("Forms on transformers", tuple(measures), tuple(rows))


async def _mask_s(compiled: CompiledConstraints, form: Constraint) -> float:
    started = time.perf_counter()
    token_mask(await compiled.get(form))
    return time.perf_counter() - started


async def on_server(model: OpenAIModel, repeats: int) -> Report:
    """Each form against free text of as many tokens, taken in turns."""
    rows: list[dict[str, Value]] = []
    measures: list[Measure] = []
    for name, form in FORMS.items():
        reply, first_s = await _timed(model, _request(form, _MAX_TOKENS))
        n_tokens = reply.usage.completion_tokens
        held, free = [], []
        for _ in range(repeats):
            held.append((await _timed(model, _request(form, _MAX_TOKENS)))[1])
            other, seconds = await _timed(model, _request(None, n_tokens))
            if other.usage.completion_tokens != n_tokens:
                raise SystemExit(f"the free reply ended after {other.usage.completion_tokens}")
            free.append(seconds)
        rows.append(
            {
                "form": name,
                "tokens": n_tokens,
                "first s": first_s,
                "held s": median(held),
                "free s": median(free),
                "held / free": median(held) / median(free),
            }
        )
        against = f"free, {n_tokens} tokens, x{_AGAINST_FREE}"
        measures.append(
            Measure(f"{name}: held", median(held), "s", against, _AGAINST_FREE * median(free))
        )
    return Report("Forms on vLLM", tuple(measures), tuple(rows))


@contextlib.asynccontextmanager
async def _server(folder: Path) -> AsyncIterator[OpenAIModel]:
    with tempfile.TemporaryDirectory() as scratch:
        plan = ServerPlan(
            model_folder=folder, device="cpu", max_model_len=2048, max_num_seqs=4,
            kv_cache_bytes=1 << 29, cache_folder=Path(scratch) / "cache",
            log_path=Path(scratch) / "vllm.log",
        )  # fmt: skip
        server = VllmServer(plan)
        try:
            await server.start(lambda phase, _: None)
            model = OpenAIModel(
                server.endpoint_for("worker"), digest="d", context_tokens=plan.max_model_len,
                server=FixedServer("here", 4), dialect="vllm",
                tokens=FileTokenCounter(folder / "tokenizer.json"),
            )  # fmt: skip
            async with contextlib.aclosing(model):
                yield model
        finally:
            await server.stop()


async def measure(arguments: argparse.Namespace) -> list[Report]:
    """The reports asked for."""
    store = WeightStore(Home.from_environment().folder("weights"), load_registry())
    reports = []
    if arguments.only != "vllm":
        folder = store.location(arguments.model, serving="transformers")
        reports.append(await in_process(folder, arguments.repeats))
    if arguments.only != "transformers":
        async with _server(store.location(arguments.model, serving="vllm-cpu")) as model:
            reports.append(await on_server(model, arguments.repeats))
    return reports


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="qwen2.5-coder-0.5b", help="entry of models.yaml")
    parser.add_argument("--only", choices=("transformers", "vllm"))
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    for report in asyncio.run(measure(arguments)):
        print_report(report, as_json=arguments.json)


if __name__ == "__main__":
    main()
