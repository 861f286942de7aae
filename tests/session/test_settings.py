import pytest

from rlm_local.cell_limits import CellLimits
from rlm_local.errors import ConfigError
from rlm_local.session.settings import Settings
from rlm_local.types import Limits


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = Settings()
    assert settings.limits == Limits()
    assert settings.cells == CellLimits()
    assert (settings.sandbox, settings.mode, settings.trace) == ("auto", "auto", "auto")
    assert not settings.count_tokens
    assert settings.read.include == settings.read.exclude == ()


@pytest.mark.parametrize("samples", [0, -1, 10])
def test_agreement_takes_one_to_nine_samples(samples: int) -> None:
    assert Settings().agreement == 1
    with pytest.raises(
        ConfigError, match=rf"agreement takes 1 \(off\) to 9 samples, not {samples}"
    ):
        Settings(agreement=samples)


def test_agreement_needs_a_root_with_a_repl() -> None:
    assert Settings(agreement=9, mode="auto").agreement == 9
    assert Settings(agreement=1, mode="direct").agreement == 1
    with pytest.raises(ConfigError, match="agreement among 3 samples needs a root with a REPL"):
        Settings(agreement=3, mode="direct")
