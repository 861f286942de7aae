"""Model text -> cells of code and a final answer. Pure; never raises, whatever the model wrote.

Accepts what models really write: fences of any kind and tag, one left open, tool-call markup,
thoughts around it, FINAL as plain text, code without a fence. Does not judge: see `guards`.
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rlm_local.engine.syntax import assigned_names, looks_like_code, tree_of

__all__ = ["Cell", "Reply", "close_fence", "first_fenced", "parse_reply", "without_thought"]

_CELL_TAGS = frozenset({"repl", "python", "py", "python3", "ipython", "tool_code"})
_FENCE = re.compile(r"[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<tag>[\w+#.-]*)[^\n]*")
_CLOSING = re.compile(r"[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*")
_TOOL_JSON = re.compile(r"<tool_call>\s*(\{.*?\})\s*(?:</tool_call>|\Z)", re.DOTALL)
_TOOL_XML = re.compile(r"<parameter=(?:code|source|cell)>\n?(.*?)(?:</parameter>|\Z)", re.DOTALL)
_TOOL_LEFT_OPEN = re.compile(r"<tool_call>\s*(\{.*)", re.DOTALL)
_CODE_KEYS = ("code", "source", "cell", "python", "input")
_FINAL = re.compile(r"^[ \t>*`]*(?P<name>FINAL_VAR|FINAL)\((?P<rest>.*)", re.MULTILINE | re.DOTALL)
_STRING = re.compile(
    r"\s*(\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')\s*\)", re.DOTALL
)
_NAME = re.compile(r"\s*[\"']?([A-Za-z_]\w*)[\"']?\s*\)?")


@dataclass(frozen=True, slots=True)
class Cell:
    """One block of code of a reply."""

    code: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reply holds.

    Attributes:
        cells: code to run, in order.
        final: an answer written as text, outside code; only where there is no cell.
        thought: what stood in `<think>`, or as "thought" beside a tool call's code.
    """

    cells: tuple[Cell, ...] = ()
    final: str | None = None
    thought: str = ""


@dataclass(frozen=True, slots=True)
class _Fenced:
    tag: str
    code: str
    start: int
    end: int
    """Where the block ends, closing fence included."""
    closed: bool


def parse_reply(text: str | None) -> Reply:
    """Read one reply, the opened fence of a prefill included.

    Args:
        text: the assistant's turn; None and "" hold nothing.
    """
    visible, thought = _split_thought(text or "")
    reply = _parse_visible(visible)
    if not reply.cells and reply.final is None and thought:
        # The whole reply stood inside the tags, or they were never closed.
        reply = _parse_visible(thought)
    return Reply(reply.cells, reply.final, reply.thought or thought)


def without_thought(text: str) -> str:
    """The reply of a thinking model without its `<think>` part."""
    return _split_thought(text)[0].strip()


def first_fenced(text: str) -> str:
    """The text up to the end of its first fenced block; all of it where that is left open."""
    block = next(_fences(text), None)
    return text[: block.end] if block else text


def close_fence(text: str) -> str:
    """The text with a fence that was left open closed, so that the next turn starts outside."""
    blocks = list(_fences(text))
    if not blocks or blocks[-1].closed:
        return text
    mark = _FENCE.match(text, blocks[-1].start)
    fence = mark["mark"] if mark else "```"
    return text + ("" if text.endswith("\n") else "\n") + fence


def _split_thought(text: str) -> tuple[str, str]:
    before, opened, after = text.partition("<think>")
    if "</think>" in (after if opened else text):
        thought, _, visible = (after if opened else text).rpartition("</think>")
        return (before if opened else "") + visible, thought
    return (before, after) if opened else (text, "")


def _parse_visible(text: str) -> Reply:
    blocks = list(_fences(text))
    tagged = [block for block in blocks if block.tag in _CELL_TAGS]
    codes = [block.code for block in tagged or [b for b in blocks if not b.tag]]
    if codes:
        codes += _final_after(text, blocks, codes)
        return Reply(_cells(codes))
    if (called := _tool_call(text)) is not None:
        return called
    if blocks:  # only other languages: prose around them may still hold an answer
        return _final_as_text(_outside(text, blocks))
    if looks_like_code(text) and not _is_one_final(text):
        return Reply(_cells([text]))
    return _final_as_text(text)


def _cells(codes: list[str]) -> tuple[Cell, ...]:
    kept: list[str] = []
    for code in codes:
        if not kept or kept[-1].strip() != code.strip():
            kept.append(code)
    return tuple(Cell(code) for code in kept)


def _fences(text: str) -> Iterator[_Fenced]:
    """Fenced blocks in order. A second opening fence ends a block whose close was forgotten."""
    opened: re.Match[str] | None = None
    body = 0
    for start, end in _lines(text):
        line = text[start:end]
        if opened is None:
            if found := _FENCE.match(text, start, end):
                opened, body = found, min(end + 1, len(text))
        elif (close := _CLOSING.fullmatch(line)) and close["mark"].startswith(opened["mark"]):
            yield _Fenced(opened["tag"].lower(), text[body:start], opened.start(), end, True)
            opened = None
        elif (again := _FENCE.match(text, start, end)) and again["tag"].lower() in _CELL_TAGS:
            if text[body:start].strip():
                tag = opened["tag"].lower()
                yield _Fenced(tag, text[body:start], opened.start(), start, True)
            opened, body = again, min(end + 1, len(text))
    if opened is not None:
        code = text[body:]
        yield _Fenced(opened["tag"].lower(), code, opened.start(), len(text), False)


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start <= len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, end
        start = end + 1


def _outside(text: str, blocks: list[_Fenced]) -> str:
    pieces, at = [], 0
    for block in blocks:
        pieces.append(text[at : block.start])
        at = block.end
    return "".join([*pieces, text[at:]])


def _tool_call(text: str) -> Reply | None:
    if found := _TOOL_XML.search(text):
        return Reply(_cells([found[1]]))
    match = _TOOL_JSON.search(text) or _TOOL_LEFT_OPEN.search(text)
    source = match[1] if match else text.strip()
    if not source.startswith("{"):
        return None
    call = _loads(source)
    arguments = call.get("arguments", call.get("parameters", call))
    if isinstance(arguments, str):
        arguments = _loads(arguments)
    if not isinstance(arguments, dict):
        return None
    thought = call.get("thought", "")
    for key in _CODE_KEYS:
        if isinstance(code := arguments.get(key), str):
            return Reply(_cells([code]), thought=thought if isinstance(thought, str) else "")
    return None


def _loads(source: str) -> dict[str, Any]:
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(source)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _final_after(text: str, blocks: list[_Fenced], codes: list[str]) -> list[str]:
    """A variable named as the answer beside cells; a value written out there rests on nothing."""
    found = _FINAL.search(_outside(text, blocks))
    name = _NAME.match(found["rest"]) if found else None
    if found is None or name is None:
        return []
    if found["name"] == "FINAL_VAR":
        return [f'FINAL_VAR("{name[1]}")']
    is_whole = _balanced(found["rest"]).strip() == name[1]
    if is_whole and any(name[1] in assigned_names(code) for code in codes):
        return [f'FINAL_VAR("{name[1]}")']
    return []


def _is_one_final(text: str) -> bool:
    tree = tree_of(text)
    return tree is not None and len(tree.body) == 1 and _FINAL.match(text.strip()) is not None


def _final_as_text(text: str) -> Reply:
    found = _FINAL.search(text)
    if found is None:
        return Reply()
    if found["name"] == "FINAL_VAR":
        name = _NAME.match(found["rest"])
        return Reply(_cells([f'FINAL_VAR("{name[1]}")'])) if name else Reply()
    if literal := _STRING.match(found["rest"]):
        return Reply(final=_unquoted(literal[1]))
    inside = _balanced(found["rest"])
    if _is_computed(inside):
        return Reply(_cells([f"FINAL({inside})"]))
    return Reply(final=inside.strip().strip("\"'"))


def _balanced(rest: str) -> str:
    depth = 1
    for at, char in enumerate(rest):
        depth += (char == "(") - (char == ")")
        if not depth:
            return rest[:at]
    return rest.partition("\n")[0]


def _is_computed(text: str) -> bool:
    tree = tree_of(text.strip())
    kinds = (ast.Call, ast.Subscript, ast.JoinedStr, ast.Attribute)
    return tree is not None and any(isinstance(node, kinds) for node in ast.walk(tree))


def _unquoted(literal: str) -> str:
    try:
        return str(ast.literal_eval(literal))
    except (ValueError, SyntaxError):
        return literal.strip("\"'")
