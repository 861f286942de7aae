"""Cells that break their interpreter or forge frames: the host goes on, with that REPL or anew."""

import secrets
from pathlib import Path

import pytest

from rlm_local.cell_limits import CellLimits
from rlm_local.config import SandboxPolicy
from rlm_local.errors import SandboxError
from rlm_local.sandbox.zygote_pool import ZygotePool
from tests.fakes.memory_context import EchoHost
from tests.sandbox.attacks.pranks import DEADLY, FORGERIES, HARMLESS, RUINOUS
from tests.sandbox.conftest import OpenPool, Repl

TEXT = "a context that has to be there afterwards"
WELL = f"('<x>', {len(TEXT)})"
CHECK = "llm_query('x'), len(context)"
POLICIES: list[SandboxPolicy] = ["auto", "sealed"]
both = pytest.mark.parametrize("policy", POLICIES)


async def fresh(pool: ZygotePool) -> Repl:
    return Repl(await pool.start(), EchoHost())


@both
async def test_after_a_prank_the_next_cell_works(
    open_pool: OpenPool, policy: SandboxPolicy
) -> None:
    pool = await open_pool(TEXT, policy=policy)
    report = pool.report
    for name, code in HARMLESS.items():
        repl = await fresh(pool)
        first = await repl(code)
        assert not first.restarted, (name, first.error)
        second = await repl(CHECK)
        assert second.result == WELL, (name, second)
        assert (len(first.error or ""), len(first.stdout)) < (10_000, 30_000), name
        await repl.worker.aclose()
    assert pool.report == report


@both
async def test_a_death_is_told_and_the_next_cell_works(
    open_pool: OpenPool, policy: SandboxPolicy
) -> None:
    pool = await open_pool(TEXT, policy=policy)
    for name, (code, told) in DEADLY.items():
        repl = await fresh(pool)
        first = await repl(code, timeout_s=3)
        assert first.restarted, (name, first)
        assert told in (first.error or ""), (name, first.error)
        assert (await repl(CHECK)).result == WELL, name
        await repl.worker.aclose()


@both
async def test_a_ruined_interpreter_harms_nobody_but_itself(
    open_pool: OpenPool, policy: SandboxPolicy
) -> None:
    pool = await open_pool(TEXT, policy=policy, cells=CellLimits(grace_s=0.2))
    bystander = await fresh(pool)
    for name, code in RUINOUS.items():
        repl = await fresh(pool)
        for cell in (code, CHECK, CHECK):
            try:
                await repl(cell, timeout_s=0.3)
            except SandboxError as error:
                assert "restarted" in str(error), name  # noqa: PT017
        assert (await bystander(CHECK)).result == WELL, name
        await repl.worker.aclose()
        another = await fresh(pool)
        assert (await another(CHECK)).result == WELL, name
        await another.worker.aclose()


@both
async def test_forged_frames_are_dropped_or_end_the_process(
    open_pool: OpenPool, policy: SandboxPolicy
) -> None:
    pool = await open_pool(TEXT, policy=policy)
    report = pool.report
    token = f"rlm-pickle-{secrets.token_hex(8)}"
    for name, (code, told) in FORGERIES.items():
        repl = await fresh(pool)
        await repl("1")
        first = await repl(f"TOKEN = {token!r}\nCELL = 2\n{code}")
        if told:
            assert first.restarted, (name, first)
            assert told in (first.error or ""), (name, first.error)
        second = await repl(CHECK)
        if not first.restarted and second.result != WELL:
            second = await repl(CHECK)  # what a forged result left behind has gone by now
        assert second.result == WELL, (name, first, second)
        assert second.final is None, name
        await repl.worker.aclose()
    assert pool.report == report
    assert not _exists(f"/tmp/{token}")


async def test_descriptors_that_a_cell_sends_are_not_taken(open_pool: OpenPool) -> None:
    without = frozenset({"seccomp", "self_probe", "outside_check"})  # which refuses sendmsg
    pool = await open_pool(TEXT, without=without)
    repl = await fresh(pool)
    await repl("1")
    before = _descriptors()
    code, _ = FORGERIES["descriptors"]
    await repl(code)
    assert _descriptors() == before


def _exists(path: str) -> bool:
    return Path(path).exists()


def _descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())
