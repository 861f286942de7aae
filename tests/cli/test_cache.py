import asyncio
import json
from pathlib import Path

from rlm_local.results.disk_cache import DiskCache
from tests.cli.command import CommandLine


async def _fill(rlm_local: CommandLine, n_replies: int) -> Path:
    folder = Path(rlm_local.environment["RLM_LOCAL_HOME"]) / "cache"

    def fill() -> None:
        with DiskCache(folder, warn=lambda message: None) as cache:
            for n in range(n_replies):
                cache.put(n.to_bytes(32, "big"), f"reply {n} " * 100)

    await asyncio.to_thread(fill)
    (file,) = await asyncio.to_thread(lambda: list(folder.glob("*.sqlite3")))
    return file


async def test_info_of_an_empty_cache_is_no_error(rlm_local: CommandLine) -> None:
    done = await rlm_local("cache", "info")
    assert done.code == 0
    assert "0 replies" in done.stdout


async def test_info_tells_entries_bytes_and_bound(rlm_local: CommandLine) -> None:
    file = await _fill(rlm_local, 30)
    shown = json.loads((await rlm_local("cache", "info", "--json")).stdout)
    assert (shown["path"], shown["entries"], shown["max_bytes"]) == (str(file), 30, 2 << 30)
    assert shown["bytes"] > 30_000
    assert shown["oldest_use_s"] <= shown["newest_use_s"]
    assert "30 replies" in (await rlm_local("cache", "info")).stdout


async def test_clear_removes_every_reply_and_gives_the_bytes_back(rlm_local: CommandLine) -> None:
    await _fill(rlm_local, 200)
    done = await rlm_local("cache", "clear", "--json")
    assert json.loads(done.stdout)["removed"] == 200
    assert json.loads(done.stdout)["freed_bytes"] > 100_000
    assert (await rlm_local("cache", "clear")).stdout.startswith("removed 0 replies")


async def test_a_damaged_file_is_told_and_set_aside(rlm_local: CommandLine) -> None:
    file = await _fill(rlm_local, 1)
    file.write_bytes(b"junk" * 5000)
    done = await rlm_local("cache", "info")
    assert done.code == 0
    assert "was damaged" in done.stderr
    assert "0 replies" in done.stdout


async def test_a_folder_that_cannot_be_made_is_a_clear_error(
    rlm_local: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    done = await rlm_local("cache", "info", RLM_LOCAL_HOME=str(tmp_path / "file"))
    assert done.code == 2
    assert "cannot make" in done.stderr
