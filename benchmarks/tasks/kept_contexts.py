"""Contexts on disk while questions over them are open, each written once. Makes no tasks."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.tasks.task import Context, Written

__all__ = ["KeptContexts"]


@dataclass(slots=True)
class _Kept:
    writing: asyncio.Task[Written]
    n_open: int = 0


@dataclass(slots=True)
class KeptContexts:
    """Writes a context when the first question over it is asked and removes it after the last.

    The one taken last stays until another is taken, for further questions over it.
    """

    folder: Path
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _last: str = ""

    def take(self, context: Context) -> asyncio.Task[Written]:
        """Writes the context, unless that is done; `give_back` must follow."""
        before, self._last = self._last, context.key
        if before != context.key:
            self._remove_unused(before)
        if context.key not in self._kept:
            writing = asyncio.create_task(asyncio.to_thread(context.write, self.folder))
            self._kept[context.key] = _Kept(writing)
        kept = self._kept[context.key]
        kept.n_open += 1
        return kept.writing

    def give_back(self, context: Context) -> None:
        """One question less over it."""
        self._kept[context.key].n_open -= 1
        if context.key != self._last:
            self._remove_unused(context.key)

    async def clear(self) -> None:
        """Remove all, also what is being written."""
        writing = [kept.writing for kept in self._kept.values()]
        await asyncio.gather(*writing, return_exceptions=True)
        for key in list(self._kept):
            self._kept[key].n_open = 0
            self._remove_unused(key)

    def _remove_unused(self, key: str) -> None:
        kept = self._kept.get(key)
        if kept is None or kept.n_open or not kept.writing.done():
            return
        del self._kept[key]
        if not kept.writing.cancelled() and kept.writing.exception() is None:
            _remove(kept.writing.result().path)


def _remove(path: Path) -> None:
    files = [path] if path.is_file() else sorted(path.rglob("*"), reverse=True)
    for file in files:
        file.unlink() if file.is_file() else file.rmdir()
    if path.is_dir():
        path.rmdir()
