import os
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
    check_agreement,
    check_cache_salt,
    check_sandbox_policy,
)
from rlm_local.errors import ConfigError
from rlm_local.types import Limits, RunMode


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
    assert (config.mode, config.seed, config.agreement) == ("auto", None, 1)


@pytest.mark.parametrize("samples", [1, 2, 9])
def test_a_root_may_be_sampled_nine_times(samples: int) -> None:
    assert check_agreement(samples, "rlm") == check_agreement(samples, "auto") == samples


@pytest.mark.parametrize(("samples", "mode"), [(0, "auto"), (10, "rlm"), (2, "direct")])
def test_samples_that_cannot_be_asked_are_told(samples: int, mode: RunMode) -> None:
    with pytest.raises(ConfigError, match="agreement"):
        check_agreement(samples, mode)


@pytest.mark.parametrize("salt", [None, "run", "someone", "ä b", "x" * 1024])
def test_a_cache_salt_is_any_short_text_that_prints(salt: str | None) -> None:
    assert check_cache_salt(salt) == salt


@pytest.mark.parametrize("salt", ["", "a\nb", "\0", "x" * 1025])
def test_a_cache_salt_no_server_takes_is_told(salt: str) -> None:
    with pytest.raises(ConfigError, match="a cache salt has 1 to 1024 characters that print"):
        check_cache_salt(salt)
