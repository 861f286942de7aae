"""Copying without a fault: one block of a long text, word for word.

The kinds of content are those of Prime Intellect's `verbatim-copy`: words, JSON, CSV, codes, and
all of them mixed. The text is a run of named blocks; one is asked for.
"""

import json
import random
import re
import string
import uuid
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.tasks.task import Context, Family, Request, Task

__all__ = ["CONTENTS", "FAMILIES"]

_CHARS_PER_TOKEN = {"words": 5.06, "json": 2.12, "csv": 1.14, "codes": 1.185, "mixed": 1.93}
"""Of Qwen's tokenizer, measured."""
_BLOCK_CHARS = 600
_NAMES = """
amber anchor basin bridge candle cedar copper desert ember engine fabric forest garden glacier
harbor hollow island ivory jacket kettle lantern ledger marble meadow needle nickel orchard pebble
quarry river saddle signal temple timber umbrella valley velvet window winter zipper
"""
_WORDS = tuple(_NAMES.split())


def _words(generator: random.Random) -> str:
    return " ".join(generator.choices(_WORDS, k=12))


def _json(generator: random.Random) -> str:
    row = {
        "id": generator.randrange(10**6),
        "name": f"{generator.choice(_WORDS)} {generator.choice(_WORDS)}",
        "value": round(generator.uniform(0, 1000), 2),
        "tags": generator.sample(_WORDS, 2),
    }
    return json.dumps(row)


def _csv(generator: random.Random) -> str:
    cells = [generator.choice(_WORDS), *(str(generator.randrange(10**5)) for _ in range(4))]
    return ",".join([*cells, f"{generator.uniform(0, 100):.3f}"])


def _codes(generator: random.Random) -> str:
    letters = string.ascii_uppercase + string.digits
    code = "".join(generator.choices(letters, k=12))
    return f"{code}-{uuid.UUID(int=generator.getrandbits(128), version=4)}"


_LINES: dict[str, Callable[[random.Random], str]] = {
    "words": _words,
    "json": _json,
    "csv": _csv,
    "codes": _codes,
}
CONTENTS = (*_LINES, "mixed")


def _block(content: str, seed: str, n_chars: int) -> str:
    generator = random.Random(f"block {seed}")
    lines: list[str] = []
    while sum(map(len, lines)) + len(lines) < n_chars:
        kind = generator.choice(tuple(_LINES)) if content == "mixed" else content
        lines.append(_LINES[kind](generator))
    return "\n".join(lines)


def _make(request: Request) -> Iterator[Task]:
    generator = random.Random(f"verbatim {request.tokens} {request.seed}")
    content = request.option("content", generator.choice(CONTENTS), CONTENTS)
    block_chars = request.number("block", _BLOCK_CHARS)
    key = f"verbatim-{content}-{request.tokens}-{request.seed}-{block_chars}"
    n_chars = request.tokens * _CHARS_PER_TOKEN[content]
    frame = len(_framed("0" * 10, ""))
    n_blocks = max(1, round(n_chars / (block_chars + frame + 20)))
    names = [f"{generator.getrandbits(40):010x}" for _ in range(n_blocks)]

    def framed(name: str) -> str:
        return _framed(name, _block(content, f"{key} {name}", block_chars))

    n_blocks = _number_of_blocks([len(framed(name)) for name in names[:200]], n_chars)
    while len(names) < n_blocks:
        names.append(f"{generator.getrandbits(40):010x}")
    names = names[:n_blocks]
    asked = generator.choice(names)
    yield Task(
        name=key,
        family="verbatim",
        kind=f"verbatim.{content}",
        seed=request.seed,
        tokens=request.tokens,
        context=Context.of_text(key, lambda: map(framed, names)),
        question=f"Copy the block {asked} exactly: every line between its BEGIN line and its END "
        "line, character for character, and nothing else.",
        truth=(_block(content, f"{key} {asked}", block_chars),),
        scorer="verbatim",
        also=("verbatim_similarity",),
        shortcut=partial(_cut_out, asked),
        facts={"blocks": n_blocks},
    )


def _number_of_blocks(sizes: list[int], n_chars: float) -> int:
    return max(1, round(n_chars / (sum(sizes) / len(sizes))))


def _framed(name: str, block: str) -> str:
    return f"BEGIN {name}\n{block}\nEND {name}\n\n"


def _cut_out(name: str, text: str) -> str:
    found = re.search(rf"^BEGIN {name}\n(.*?)\nEND {name}$", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


FAMILIES = (
    Family(
        "verbatim",
        "one block of a long text, copied without a fault",
        _make,
        options={
            "content": f"{', '.join(CONTENTS)}; by default the seed's",
            "block": f"characters of the block (default {_BLOCK_CHARS})",
        },
    ),
)
