"""Names requests: equal keys mean that the same model would be asked for the same reply. Pure."""

import dataclasses
import functools
import hashlib
import json

from rlm_local.types import Constraint, ModelRequest, Sampling

__all__ = ["is_repeatable", "kept_key", "request_key"]

_FORMAT = b"rlm_local request 1\n"
"""Another number for every change of what a key is made of."""


def request_key(request: ModelRequest) -> bytes:
    """32 bytes that name a request to some model.

    Everything of it counts but `priority`, `cache_salt` and `session`, which decide when a reply
    comes and not which.
    """
    digest = hashlib.blake2b(_FORMAT, digest_size=32)
    digest.update(_knobs(request.sampling, request.constraint, request.continue_final))
    if request.wants_scores:
        digest.update(b"\nscores")
    for message in request.messages:
        data = message.content.encode("utf-8", "surrogatepass")
        digest.update(f"\n{message.role} {len(data)}\n".encode())
        digest.update(data)
    return digest.digest()


def kept_key(model_digest: str, key: bytes) -> bytes:
    """The key of a request to one certain model, for a cache that knows many."""
    return hashlib.blake2b(model_digest.encode() + b"\n" + key, digest_size=32).digest()


def is_repeatable(sampling: Sampling) -> bool:
    """Whether the same request would be answered the same: drawn greedily, or by a seed."""
    return sampling.temperature == 0 or sampling.seed is not None


@functools.lru_cache(maxsize=256)
def _knobs(sampling: Sampling, constraint: Constraint | None, continue_final: bool) -> bytes:
    set_knobs = dataclasses.asdict(sampling).items()
    told = {  # without knobs that are not set, so that a new one leaves older keys as they are
        "sampling": {name: value for name, value in set_knobs if value is not None},
        "constraint": constraint
        and {"kind": type(constraint).__name__, **dataclasses.asdict(constraint)},
        "continue_final": continue_final,
    }
    return json.dumps(told, sort_keys=True).encode()
