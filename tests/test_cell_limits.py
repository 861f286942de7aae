import re

import pytest

from rlm_local.cell_limits import CellLimits, check_cell_limits, read_cell_limits
from rlm_local.errors import ConfigError


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
