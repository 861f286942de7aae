"""A folder in memory that a cell may write to, where it was asked for."""

import pytest

from rlm_local.cell_limits import CellLimits
from rlm_local.errors import SandboxUnavailable
from tests.fakes.memory_context import EchoHost
from tests.sandbox.conftest import OpenPool, OpenRepl, Repl

MIB = 1 << 20
SCRATCH = CellLimits(scratch_bytes=MIB)


async def test_without_it_nothing_can_be_written(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    for place in ("note.txt", "/scratch/note.txt", "/tmp/note.txt"):
        result = await repl(f"open({place!r}, 'w')")
        assert result.error_type in {"PermissionError", "FileNotFoundError", "OSError"}, place


async def test_files_live_as_long_as_the_repl(open_repl: OpenRepl) -> None:
    repl = await open_repl(cells=SCRATCH)
    await repl("open('note.txt', 'w').write('kept')")
    assert (await repl("import os; open('/scratch/note.txt').read()")).result == "'kept'"
    code = "import tempfile\nwith tempfile.NamedTemporaryFile() as f: print(f.name)"
    assert (await repl(code)).stdout.startswith("/scratch/")
    await repl("os.mkdir('d'); os.rename('note.txt', 'd/other.txt'); os.remove('d/other.txt')")
    assert (await repl("os.listdir('.'), os.listdir('d')")).result == "(['d'], [])"


async def test_a_database_works_on_it(open_repl: OpenRepl) -> None:
    repl = await open_repl(cells=SCRATCH)
    code = (
        "import sqlite3\ndb = sqlite3.connect('t.db')\ndb.execute('create table t (a)')\n"
        "db.execute('insert into t values (1)')\ndb.commit()\n"
        "db.execute('select a from t').fetchall()"
    )
    assert (await repl(code)).result == "[(1,)]"


async def test_it_is_full_at_its_size(open_repl: OpenRepl) -> None:
    repl = await open_repl(cells=SCRATCH)
    result = await repl("for i in range(9): open(f'f{i}', 'w').write('x' * 200_000)")
    assert "No space left" in (result.error or "")
    result = await repl("for i in range(10_000): open(f'n{i}', 'w').close()")
    assert "No space left" in (result.error or "")
    assert (await repl("1")).result == "1"


async def test_two_repls_do_not_share_it(open_pool: OpenPool) -> None:
    pool = await open_pool(cells=SCRATCH)
    one, other = [Repl(await pool.start(), EchoHost()) for _ in range(2)]
    await one("open('secret', 'w').write('x')")
    assert (await other("import os; os.listdir('/scratch')")).result == "[]"


@pytest.mark.parametrize(
    "code",
    [
        "os.mkfifo('f')",
        "os.symlink('/etc', 'l')",
        "os.link('note.txt', 'l')",
        "os.chmod('note.txt', 0o777)",
        "os.mknod('m')",
        "open('/usr/lib/new', 'w')",
        "os.rename('note.txt', '/usr/lib/new')",
    ],
)
async def test_it_holds_plain_files_and_folders_only(open_repl: OpenRepl, code: str) -> None:
    repl = await open_repl(cells=SCRATCH)
    await repl("import os; open('note.txt', 'w').close()")
    assert (await repl(code)).error_type in {"PermissionError", "OSError"}


async def test_sealed_repls_have_none(open_pool: OpenPool) -> None:
    with pytest.raises(SandboxUnavailable, match=r"scratch_bytes needs.*set it to 0"):
        await open_pool(policy="sealed", cells=SCRATCH)
