"""What one batch does on transformers: prompts, prefix reuse, sampling, constraints, stops.

Called from one thread only. The key-value cache of the last root turn is kept, so that the next
turn reads only what is new; batches of sub-calls share nothing and leave that cache alone.
"""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from rlm_local.errors import ModelError, ModelUnavailable, RlmError, WeightsError
from rlm_local.serving.structured import Automaton, token_mask, token_vocabulary
from rlm_local.serving.tokenizer import without_lone_surrogates
from rlm_local.serving.transformers_prefix import KeptPrefix
from rlm_local.serving.transformers_scores import scores_of_row
from rlm_local.serving.transformers_stops import RowStops
from rlm_local.types import Completion, Json, ModelRequest, Usage

__all__ = ["Job", "Runner"]

Module: TypeAlias = Any  # torch and transformers are read without their types


@dataclass(slots=True, eq=False)
class Job:
    """One request of a batch. `cancelled` may be set from another thread.

    `automaton` is that of the request's constraint, which has one.
    """

    request: ModelRequest
    automaton: Automaton | None = None
    cancelled: bool = False

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Requests of one batch must agree on this."""
        sampling = self.request.sampling
        return (
            self.request.constraint,
            sampling.temperature,
            sampling.top_p,
            sampling.top_k,
            sampling.repetition_penalty,
            sampling.seed,
            self.request.wants_scores,
        )


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Module
    tokenizer: Module

    @property
    def end_tokens(self) -> frozenset[int]:
        """Any of these ends a reply."""
        named = self.model.generation_config.eos_token_id
        if named is None:
            named = self.tokenizer.eos_token_id
        return frozenset(named if isinstance(named, list) else [named])


@dataclass(slots=True)
class Runner:
    """One loaded model."""

    folder: Path
    device: str
    context_tokens: int
    chat_template_kwargs: Mapping[str, Json]
    _parts: _Loaded | None = field(init=False, default=None)
    _kept: KeptPrefix = field(init=False, default_factory=KeptPrefix)

    def load(self) -> _Loaded:
        """Read the weights: safetensors of this folder, no code of the model's own.

        Raises:
            WeightsError: they cannot be read.
        """
        if self._parts is None:
            self._parts = _load(self.folder, self.device)
        return self._parts

    def run(self, jobs: Sequence[Job]) -> list[Completion | RlmError]:
        """Replies in order; what is wrong with one request does not fail the others.

        Raises:
            WeightsError: at the first call, as `load`.
            ModelError: the batch cannot be run.
        """
        self.load()
        results: list[Completion | RlmError | None] = [self._refusal(job) for job in jobs]
        running = [job for job, refusal in zip(jobs, results, strict=True) if refusal is None]
        finished = iter(self._generate(running) if running else [])
        return [next(finished) if result is None else result for result in results]

    def vocabulary(self) -> bytes:
        """The model's tokens, for automata; raises as `load`."""
        parts = self.load()
        return token_vocabulary(parts.model, parts.tokenizer)

    def free(self) -> None:
        """Give the memory back."""
        self._parts = None
        self._kept = KeptPrefix()
        gc.collect()
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    def _refusal(self, job: Job) -> RlmError | None:
        wanted = len(self._encode(job.request)) + job.request.sampling.max_tokens
        if wanted <= self.context_tokens:
            return None
        return ModelError(
            f"prompt and reply need {wanted} tokens, the model's window has {self.context_tokens}",
            status=400,
        )

    def _generate(self, jobs: Sequence[Job]) -> list[Completion | RlmError]:
        import torch

        parts = self.load()
        prompts = [self._encode(job.request) for job in jobs]
        stops = RowStops(jobs, max(map(len, prompts)), parts.tokenizer, parts.end_tokens)
        prefix = KeptPrefix()
        if _is_root_turn(jobs):
            prefix = self._kept.cut_to(prompts[0], parts.model.config)
            self._kept = KeptPrefix()  # a failing batch must not leave a half-written one
        try:
            # Outlines' mask kernel would be compiled at first use: half a minute, and a compiler.
            with torch.inference_mode(), torch.compiler.set_stance("force_eager"):
                rows, logits = self._call(jobs, prompts, stops, prefix)
        except torch.OutOfMemoryError as error:
            raise ModelUnavailable(f"memory of {self.device} ran out in a batch") from error
        except RuntimeError as error:
            raise ModelError(f"the model failed: {str(error).splitlines()[0]}") from error
        if prefix.cache is not None:
            self._kept = prefix.grown_to([*prompts[0], *rows[0]])
        completions: list[Completion | RlmError] = []
        for n_row, (prompt, row) in enumerate(zip(prompts, rows, strict=True)):
            text, n_new, finish_reason = stops.reply(n_row, row)
            usage = Usage(len(prompt), len(prefix.tokens), n_new)
            steps = [step[n_row] for step in logits]
            asked = jobs[n_row].request
            scores = scores_of_row(asked, text, row[:n_new], steps, tokenizer=parts.tokenizer)
            completions.append(Completion(text, finish_reason, usage, 0.0, scores))
        return completions

    def _call(
        self,
        jobs: Sequence[Job],
        prompts: list[list[int]],
        stops: RowStops,
        prefix: KeptPrefix,
    ) -> tuple[list[list[int]], Sequence[Module]]:
        """New tokens of each row, padding after its end included; and logits, where wanted."""
        import torch
        from transformers import LogitsProcessorList, StoppingCriteriaList

        parts = self.load()
        request = jobs[0].request
        width = max(map(len, prompts))
        pad = parts.tokenizer.pad_token_id
        padded = [[pad] * (width - len(prompt)) + prompt for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        if request.sampling.seed is not None:
            torch.manual_seed(request.sampling.seed)
        automaton = jobs[0].automaton
        masks = [] if automaton is None else [token_mask(automaton)]
        output = parts.model.generate(
            torch.tensor(padded, device=parts.model.device),
            attention_mask=torch.tensor(mask, device=parts.model.device),
            generation_config=_generation_config(parts, jobs),
            logits_processor=LogitsProcessorList(masks),
            stopping_criteria=StoppingCriteriaList([stops]),
            past_key_values=prefix.cache,
            return_dict_in_generate=True,
            output_scores=request.wants_scores,
        )
        new: list[list[int]] = output.sequences[:, width:].tolist()
        return new, output.scores or ()

    def _encode(self, request: ModelRequest) -> list[int]:
        tokenizer = self.load().tokenizer
        messages = [
            {"role": item.role, "content": without_lone_surrogates(item.content)}
            for item in request.messages
        ]
        text = tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            continue_final_message=request.continue_final,
            add_generation_prompt=not request.continue_final,
            **self.chat_template_kwargs,
        )
        ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids
        return ids


def _load(folder: Path, device: str) -> _Loaded:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **local)
        model = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype="auto", use_safetensors=True, **local
        )
    except (OSError, ValueError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"cannot load the model in {folder}: {first_line}; `rlm-local verify MODEL` checks it"
        ) from error
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return _Loaded(model.to(device).eval(), tokenizer)


def _generation_config(parts: _Loaded, jobs: Sequence[Job]) -> Module:
    """The model's own defaults, with what the requests say over them."""
    from transformers import GenerationConfig

    sampling = jobs[0].request.sampling
    config = GenerationConfig.from_dict(parts.model.generation_config.to_dict())
    config.max_length = None
    config.max_new_tokens = max(job.request.sampling.max_tokens for job in jobs)
    config.pad_token_id = parts.tokenizer.pad_token_id
    config.do_sample = sampling.temperature > 0
    config.temperature = sampling.temperature if config.do_sample else None
    config.top_p = (sampling.top_p or config.top_p) if config.do_sample else None
    config.top_k = (sampling.top_k or config.top_k) if config.do_sample else None
    if sampling.repetition_penalty is not None:
        config.repetition_penalty = sampling.repetition_penalty
    return config


def _is_root_turn(jobs: Sequence[Job]) -> bool:
    return len(jobs) == 1 and jobs[0].request.priority <= 0
