from pathlib import Path

import pytest

from rlm_local.planner.corrections import Correction, read_corrections, write_correction
from rlm_local.planner.knowledge import Knowledge
from rlm_local.planner.placement import plan
from rlm_local.planner.reconcile import Reported, reconcile, remember
from rlm_local.planner.server_placement import ServerPlacement
from tests.planner.imagined import GIB, MACHINES, REGISTRY

_CARD = "24 GB card"
_VERSION = "0.32.0"


def _placed(knowledge: Knowledge | None = None) -> ServerPlacement:
    return plan(REGISTRY, "gpu-24gb", MACHINES[_CARD], knowledge).servers[0]


def _known(path: Path) -> Knowledge:
    return Knowledge(corrections=read_corrections(path), vllm_version=_VERSION)


def test_a_server_that_says_what_was_planned_differs_in_nothing() -> None:
    placed = _placed()

    found = reconcile(
        placed,
        Reported(
            vllm_version=_VERSION,
            kv_cache_tokens=placed.kv_cache_tokens,
            kv_cache_bytes=placed.kv_cache_bytes,
            weight_bytes=placed.weight_bytes,
            used_bytes=placed.needed_bytes,
        ),
    )

    assert [difference.percent for difference in found.differences] == [0, 0, 0, 0]
    assert found.is_close


def test_what_was_not_said_is_not_compared() -> None:
    found = reconcile(_placed(), Reported(vllm_version=_VERSION))

    assert found.differences == ()
    assert found.is_close
    assert found.correction == Correction()


def test_a_difference_is_told_with_both_figures() -> None:
    placed = _placed()
    reported = Reported(vllm_version=_VERSION, weight_bytes=int(1.2 * placed.weight_bytes))

    found = reconcile(placed, reported)

    assert not found.is_close
    assert [str(one) for one in found.differences] == [
        "weights: planned 17.0 GiB, reported 20.4 GiB (+20.0 %)"
    ]


def test_what_a_start_has_shown_is_in_the_next_plan(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "corrections.json"
    placed = _placed()
    reported = Reported(
        vllm_version=_VERSION,
        weight_bytes=placed.weight_bytes + GIB // 2,
        used_bytes=placed.needed_bytes + GIB // 4,
    )

    remember(path, placed, reported)
    again = _placed(_known(path))

    assert again.weight_bytes == reported.weight_bytes
    assert again.overhead_bytes == placed.overhead_bytes - GIB // 4
    assert again.kv_cache_bytes == placed.kv_cache_bytes - GIB // 4


def test_a_server_of_another_build_of_the_same_version_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "corrections.json"
    remember(path, _placed(), Reported(vllm_version=f"{_VERSION}+cpu", weight_bytes=GIB))

    assert _placed(_known(path)).weight_bytes == GIB


def test_a_server_that_says_nothing_is_believed_nothing(tmp_path: Path) -> None:
    path = tmp_path / "corrections.json"
    remember(path, _placed(), Reported(vllm_version=_VERSION, weight_bytes=0, kv_cache_tokens=0))

    assert _placed(_known(path)) == _placed()


def test_a_pool_that_held_less_is_planned_to_hold_less_and_the_second_plan_is_right(
    tmp_path: Path,
) -> None:
    path = tmp_path / "corrections.json"
    placed = _placed()
    reported = Reported(vllm_version=_VERSION, kv_cache_tokens=int(0.9 * placed.kv_cache_tokens))

    remember(path, placed, reported)
    again = _placed(_known(path))
    assert again.kv_cache_tokens == pytest.approx(reported.kv_cache_tokens, rel=0.01)

    found = remember(path, again, reported)
    assert found.is_close
    assert _placed(_known(path)).kv_cache_tokens == pytest.approx(again.kv_cache_tokens, rel=0.01)


@pytest.mark.parametrize(
    "key",
    [
        ("other", "Card 24", _VERSION),
        ("coder-30b-awq", "Card 48", _VERSION),
        ("coder-30b-awq", "Card 24", "0.33.0"),
    ],
)
def test_a_correction_is_of_one_model_card_and_version(
    tmp_path: Path, key: tuple[str, str, str]
) -> None:
    path = tmp_path / "corrections.json"
    write_correction(path, key, Correction(weight_bytes=GIB))

    assert _placed(_known(path)) == _placed()


def test_a_correction_of_several_cards_says_nothing_of_one(tmp_path: Path) -> None:
    path = tmp_path / "corrections.json"
    key = ("coder-30b-awq", "Card 24", _VERSION)
    write_correction(path, key, Correction(weight_bytes=GIB, n_cards=2))

    assert _placed(_known(path)) == _placed()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"entries": [{"model": 1}]}', b"\xff\xfe"])
def test_a_damaged_file_is_an_empty_one_and_is_written_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "corrections.json"
    path.write_bytes(content)
    assert read_corrections(path).entries == {}

    remember(path, _placed(), Reported(vllm_version=_VERSION, weight_bytes=GIB))

    assert list(read_corrections(path).entries) == [("coder-30b-awq", "Card 24", _VERSION)]
    assert [file.name for file in tmp_path.iterdir()] == ["corrections.json"]


def test_a_place_that_cannot_be_written_costs_only_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    found = remember(
        tmp_path / "file" / "corrections.json",
        _placed(),
        Reported(vllm_version=_VERSION, weight_bytes=GIB),
    )

    assert found.differences != ()


def test_entries_of_other_models_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "corrections.json"
    write_correction(path, ("a", "cpu", _VERSION), Correction(cache_costs=1.5))
    write_correction(path, ("b", "cpu", _VERSION), Correction(cache_costs=1.25))

    assert len(read_corrections(path).entries) == 2
