from pathlib import Path

import pytest

from rlm_local.config import Home
from rlm_local.engine.models import Models
from rlm_local.interfaces import ResultCache
from rlm_local.session.models import OpenModels
from rlm_local.session.results import CacheSettings, KeptResults
from tests.engine.scenes import profile
from tests.fakes.parts import CallableModel, echo

KEY = b"k" * 32
HASH = "sha256:" + "0" * 64
AN_ENDPOINT = "http://127.0.0.1:8000/v1 worker"


def models(digest: str = HASH, options: str = "") -> OpenModels:
    async def nothing() -> None:
        pass

    worker = CallableModel(echo(), digest=digest)
    return OpenModels(Models(worker, worker), profile(), "test", 8192, nothing, options)


class Session:
    def __init__(self, folder: Path, settings: CacheSettings) -> None:
        self.folder = folder
        self.kept = KeptResults(Home(folder), settings, pytest.fail)

    def of(self, opened: OpenModels) -> ResultCache | None:
        shared = self.kept.of(opened)
        return shared.cache if shared else None


@pytest.mark.parametrize(
    ("use", "digest", "keeps"),
    [
        ("auto", HASH, True),
        ("auto", AN_ENDPOINT, False),
        ("on", AN_ENDPOINT, True),
        ("off", HASH, False),
    ],
)
async def test_replies_are_kept_where_the_weights_are_known_or_as_told(
    tmp_path: Path, use: str, digest: str, keeps: bool
) -> None:
    session = Session(tmp_path, CacheSettings(use))  # type: ignore[arg-type]  # as parametrized
    assert (session.of(models(digest)) is not None) == keeps
    await session.kept.aclose()


async def test_namespaces_and_options_keep_replies_apart(tmp_path: Path) -> None:
    alice = Session(tmp_path, CacheSettings(namespace="alice"))
    bob = Session(tmp_path, CacheSettings(namespace="bob"))
    hers, his, other = alice.of(models()), bob.of(models()), alice.of(models(options="{1}"))
    assert hers
    assert his
    assert other
    hers.put(KEY, "hers")
    assert await hers.get([KEY]) == {KEY: "hers"}
    assert await his.get([KEY]) == {}
    assert await other.get([KEY]) == {}
    await alice.kept.aclose()
    await bob.kept.aclose()


async def test_closing_writes_what_is_left_and_may_be_repeated(tmp_path: Path) -> None:
    first = Session(tmp_path, CacheSettings())
    cache = first.of(models())
    assert cache
    cache.put(KEY, "kept")
    await first.kept.aclose()
    await first.kept.aclose()
    second = Session(tmp_path, CacheSettings())
    again = second.of(models())
    assert again
    assert await again.get([KEY]) == {KEY: "kept"}
    await second.kept.aclose()
