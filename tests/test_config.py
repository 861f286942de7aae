import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from rlm_local.config import (
    HOME_VARIABLE,
    Home,
    RunConfig,
    SandboxPolicy,
    check_cell_limits,
    check_sandbox_policy,
    read_cell_limits,
)
from rlm_local.errors import ConfigError
from rlm_local.types import CellLimits, Limits


@pytest.fixture
def named() -> Iterator[None]:
    """Puts the variable back."""
    before = os.environ.pop(HOME_VARIABLE, None)
    yield
    os.environ.pop(HOME_VARIABLE, None)
    if before is not None:
        os.environ[HOME_VARIABLE] = before


@pytest.mark.usefixtures("named")
def test_home_is_in_the_users_cache_unless_named() -> None:
    assert Home.from_environment().root.name == "rlm_local"
    os.environ[HOME_VARIABLE] = ""
    assert Home.from_environment().root.name == "rlm_local"
    os.environ[HOME_VARIABLE] = "~/elsewhere"
    assert Home.from_environment().root == Path.home() / "elsewhere"


@pytest.mark.usefixtures("named")
def test_a_relative_home_is_refused() -> None:
    os.environ[HOME_VARIABLE] = "here"
    with pytest.raises(ConfigError, match="must be an absolute path, not 'here'"):
        Home.from_environment()


def test_a_folder_is_made_at_first_use_for_its_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert not home.root.exists()
    folder = home.folder("weights")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert home.folder("weights") == folder


def test_a_folder_that_cannot_be_made_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=rf"cannot make {tmp_path}.*set {HOME_VARIABLE}"):
        Home(tmp_path / "file").folder("tmp")


@pytest.mark.parametrize("policy", get_args(SandboxPolicy))
def test_every_policy_is_known_by_its_name(policy: str) -> None:
    assert check_sandbox_policy(policy) == policy


def test_an_unknown_policy_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'none'; use one of auto, require-full, sealed, off"):
        check_sandbox_policy("none")


def test_a_run_has_limits_unless_told_otherwise() -> None:
    config = RunConfig()
    assert config.limits == Limits()
    assert (config.mode, config.seed) == ("auto", None)


def test_the_usual_cell_limits_are_in_their_ranges() -> None:
    assert read_cell_limits([]) == check_cell_limits(CellLimits()) == CellLimits()


def test_cell_limits_are_read_by_name_with_sizes_in_binary_units() -> None:
    limits = read_cell_limits(
        ["threads=8", "prompt_bytes=4M", "cell_prompt_bytes=1.5g", "cpu_s=2.5", "output_chars=2K"]
    )
    assert limits == CellLimits(
        threads=8,
        prompt_bytes=4 << 20,
        cell_prompt_bytes=3 << 29,
        cpu_s=2.5,
        output_chars=2048,
    )


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("thread=8", "no cell limit 'thread'; use one of threads, descriptors, scratch_bytes"),
        ("=8", "no cell limit ''"),
        ("threads", "cell limit threads must be a number such as 64, 4M or 1G, not ''"),
        ("threads=many", "not 'many'"),
        ("threads=0", "cell limit threads must be from 1 to 4,096, not 0"),
        ("threads=-1", "not '-1'"),
        ("grace_s=1M", "must be a number such as 2.5, not '1M'"),
        ("grace_s=nan", "not 'nan'"),
        ("grace_s=0", "cell limit grace_s must be from 0.1 to 60, not 0.0"),
        ("prompt_bytes=1G", "must be from 1 to 62,914,560"),
    ],
)
def test_a_cell_limit_that_will_not_do_is_named_with_what_would(setting: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        read_cell_limits([setting])


def test_cell_limits_made_in_python_are_checked_too() -> None:
    with pytest.raises(ConfigError, match="restarts must be from 0 to 1,000, not -1"):
        check_cell_limits(CellLimits(restarts=-1))
    with pytest.raises(ConfigError, match="cpu_s must be from"):
        check_cell_limits(CellLimits(cpu_s=float("nan")))
    with pytest.raises(ConfigError, match="threads must be from"):
        check_cell_limits(CellLimits(threads=True))
