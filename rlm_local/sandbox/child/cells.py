"""Runs cells as a notebook does, in one namespace that lives as long as the process.

The value of a last expression is shown, `await` works at the top level, a traceback shows the
cell's own lines. What a cell can call is `toolbox`'s business, how it travels `worker`'s.
"""

import ast
import builtins
import linecache
import re
import sys
import traceback
import types
from typing import Protocol

from rlm_local.sandbox.child.interrupts import Interrupts
from rlm_local.sandbox.child.output import CappedText, cut_middle

__all__ = ["CellFinished", "CellOutcome", "CellRunner", "CellTools"]

_ERROR_CAP_CHARS = 4_000
_BALLAST_BYTES = 8 << 20
_SHOWN = "__shown_value__"
_CO_COROUTINE = 0x80
_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_NO_EXPRESSION = re.compile(r"\A\s|[\n\r\f;]| = |\A(?:import|from|def|class|for|with|if|del) ")
"""Cells that are not worth a try; one that this does not match may be anything."""
_OUTERMOST_FRAMES, _INNERMOST_FRAMES = 4, 12
_put_back = builtins.__dict__.update  # whatever a cell makes of `builtins`, this is its dict


class CellFinished(BaseException):
    """Raised by `FINAL`: ends the cell at once, past any `except Exception`."""


class CellTools(Protocol):
    """What a cell can call; implemented by `toolbox.Toolbox`."""

    def install(self, cell: int) -> None:
        """Make the namespace ready for a cell."""
        ...

    def make_mentioned(self, code: str) -> None:
        """Add the names of the cell's that cost something to make; stoppable, as the cell is."""
        ...

    def after_cell(self) -> None:
        """Look at what a cell that did not raise left behind."""
        ...


class CellOutcome:
    """What a cell gave, as texts; `error` is fit to show to the root."""

    __slots__ = ("error", "error_type", "interrupted", "result", "stdout", "stdout_chars")

    def __init__(self) -> None:
        self.stdout = ""
        self.stdout_chars = 0
        self.result: str | None = None
        self.error: str | None = None
        self.error_type: str | None = None
        self.interrupted = False


class CellRunner:
    """One namespace, the module `__main__`, and the cells that run in it."""

    def __init__(self, interrupts: Interrupts, output_chars: int = 20_000) -> None:
        """`output_chars` are kept of what a cell prints, and half as many of its value."""
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        self.namespace: dict[str, object] = module.__dict__
        # Taken now and not when this is imported: what the REPL itself put there stays.
        self._builtins = dict(builtins.__dict__)
        self._interrupts = interrupts
        self._output_chars = output_chars
        self._ballast = bytearray(_BALLAST_BYTES)

    def run(self, code: str, number: int, tools: CellTools) -> CellOutcome:
        """Run one cell.

        Raises:
            SystemExit: earlier cells left a namespace that takes no tools; a new process does.
        """
        outcome = CellOutcome()
        printed = CappedText(self._output_chars)
        # `printed` has what print and tracebacks use of a text stream, no file behind it
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = printed  # type: ignore[misc, assignment]

        error = self._interrupts.guard(lambda: self._prepare(number, tools))
        if error is not None and not issubclass(type(error), KeyboardInterrupt):
            raise SystemExit("the tools cannot be put into the namespace of the cells")
        if error is None:
            error = self._interrupts.guard(lambda: self._execute(code, number, tools, outcome))
        _put_back(self._builtins)  # our own code runs on them as well
        if error is None:
            error = self._interrupts.guard(tools.after_cell)
        # By type: isinstance would ask an error of the cell's for its `__class__`.
        if error is not None and not issubclass(type(error), CellFinished):
            self._describe(error, outcome)
        if error is not None:
            # What dies with it runs the cell's __del__: that must be stoppable as well.
            held = [error]
            del error
            self._interrupts.guard(held.clear)
        outcome.interrupted |= self._interrupts.was_raised
        outcome.stdout, outcome.stdout_chars = printed.text(), printed.total_chars
        return outcome

    def _prepare(self, number: int, tools: CellTools) -> None:
        _put_back(self._builtins)  # a thread of an earlier cell may have changed them since
        self.namespace["__builtins__"] = builtins
        tools.install(number)

    def _execute(self, code: str, number: int, tools: CellTools, outcome: CellOutcome) -> None:
        tools.make_mentioned(code)
        filename = f"<cell {number}>"
        lines = [line + "\n" for line in code.split("\n")]
        if type(linecache.cache) is not dict:  # a cell's doing
            linecache.cache = {}
        linecache.cache[filename] = (len(code), None, lines, filename)
        compiled = _as_expression(code, filename)
        shows = is_expression = compiled is not None
        if compiled is None:
            compiled, shows = _as_statements(code, filename)
        value = eval(compiled, self.namespace)
        if compiled.co_flags & _CO_COROUTINE:
            import asyncio

            value = asyncio.run(value)
        if not is_expression:
            value = self.namespace.pop(_SHOWN, None)
        if shows and value is not None:
            self.namespace["_"] = value
            outcome.result = cut_middle(str.__str__(repr(value)), self._output_chars // 2)

    def _describe(self, error: BaseException, outcome: CellOutcome) -> None:
        kind = type(error)
        outcome.error_type = _name_of(kind)
        outcome.interrupted = issubclass(kind, KeyboardInterrupt)
        outcome.error = f"{outcome.error_type} (its message cannot be shown)"
        if issubclass(kind, MemoryError):
            self._ballast = bytearray()
        # str() of an exception is the cell's code too: it may raise, or never end.
        self._interrupts.guard(lambda: setattr(outcome, "error", _format(error)))
        self._interrupts.guard(lambda: traceback.clear_frames(error.__traceback__))
        if not self._ballast:
            self._interrupts.guard(lambda: setattr(self, "_ballast", bytearray(_BALLAST_BYTES)))


def _as_expression(code: str, filename: str) -> types.CodeType | None:
    """A cell of one line and one expression, compiled for half of what statements cost.

    None where it is something else, or where that is not seen at once.
    """
    if _NO_EXPRESSION.search(code):
        return None
    try:
        compiled: types.CodeType = compile(code, filename, "eval", flags=_FLAGS, dont_inherit=True)
    except SyntaxError:
        return None
    return compiled


def _as_statements(code: str, filename: str) -> tuple[types.CodeType, bool]:
    """A cell, and whether the value of its last expression is to be shown."""
    tree = ast.parse(code, filename)
    shows = _keep_last_value(tree) and not code.rstrip().endswith(";")
    compiled: types.CodeType = compile(tree, filename, "exec", flags=_FLAGS, dont_inherit=True)
    return compiled, shows


def _keep_last_value(tree: ast.Module) -> bool:
    """Turn a last expression into an assignment; whether there was one."""
    if not tree.body or not isinstance(tree.body[-1], ast.Expr):
        return False
    last = tree.body[-1]
    line, column = last.lineno, last.col_offset
    target = ast.Name(id=_SHOWN, ctx=ast.Store(), lineno=line, col_offset=column)
    tree.body[-1] = ast.Assign([target], last.value, lineno=line, col_offset=column)
    return True


def _name_of(kind: type) -> str:
    """The name the class was made with, whatever its metaclass says."""
    name: str = type.__dict__["__name__"].__get__(kind)
    return name


def _format(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "SystemExit: exit() does not end anything here; call FINAL(answer) when done"
    described = traceback.TracebackException(
        type(error), error, _skip_our_frames(error.__traceback__), compact=True
    )
    link: traceback.TracebackException | None = described
    while link is not None:
        link.stack = _cell_frames(link.stack)
        link = link.__cause__ or link.__context__
    text = "".join(described.format())
    if isinstance(error, MemoryError):
        text += "The memory limit of this REPL is reached; work on smaller pieces.\n"
    return cut_middle(text.rstrip("\n"), _ERROR_CAP_CHARS)


def _skip_our_frames(trace: types.TracebackType | None) -> types.TracebackType | None:
    while trace is not None and not _is_cell(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _cell_frames(stack: traceback.StackSummary) -> traceback.StackSummary:
    own = [frame for frame in stack if _is_cell(frame.filename)]
    if len(own) > _OUTERMOST_FRAMES + _INNERMOST_FRAMES:
        own = own[:_OUTERMOST_FRAMES] + own[-_INNERMOST_FRAMES:]
    return traceback.StackSummary.from_list(own)


def _is_cell(filename: str) -> bool:
    return filename.startswith("<cell ")
