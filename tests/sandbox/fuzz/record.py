"""Records what a real REPL process sends: the seeds that the fuzzer mutates."""

from rlm_local.sandbox.child.wire import Frame, FrameReader
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from tests.fakes.memory_context import EchoHost, MemoryContext

__all__ = ["record_frames"]

_CELLS = (
    "1 + 1",
    "print('naïve ' * 30); x, y, _z = 1, [2], 'three'",
    "1 / 0",
    "raise ValueError('🙂' * 50)",
    "llm_query('a question')",
    "llm_query('pick', choices=['a', 'b']); llm_query('match', regex='[0-9]+')",
    "llm_query('fill', schema={'type': 'object', 'properties': {'n': {'type': 'integer'}}})",
    "llm_query_batched(['one', 'two', 'three'], max_tokens=7)",
    "rlm_query('no context')",
    "rlm_query('with', context[2:30]); rlm_query('own', 'a text that is not in there')",
    "search('what is this about', k=3)",
    "from concurrent.futures import ThreadPoolExecutor as T; list(T(4).map(llm_query, 'abcdef'))",
    "FINAL('the answer')",
)


class _Recorder(FrameReader):
    """Reads frames, and keeps them."""

    def __init__(self, frames: list[Frame]) -> None:
        super().__init__()
        self._frames = frames

    def next_frame(self) -> Frame | None:
        frame = super().next_frame()
        if frame is not None:
            self._frames.append(frame)
        return frame


async def record_frames() -> list[Frame]:
    """All frames of a session of cells that use every function of the host."""
    context = MemoryContext("some text with a needle in it\n" * 20)
    # What is sent does not depend on the confinement, and this has to work without any.
    pool = await ZygotePool.open(context, ReplFacts(4000, 100), policy="off")
    frames = [Frame({"op": "ready", "report": dict(pool.report)})]
    try:
        repl, host = await pool.start(), EchoHost()
        live = repl._worker  # a tap on the wire, which nothing else needs
        assert live is not None
        live.channel._reader = _Recorder(frames)
        for code in _CELLS:
            await repl.run(code, host, timeout_s=30)
    finally:
        await pool.aclose()
        context.close()
    for frame in frames:
        if frame.header["op"] == "done":
            frame.header["seconds"] = 0.25  # no frame of a REPL has a number with a fraction
    return frames
