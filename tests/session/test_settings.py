from rlm_local.cell_limits import CellLimits
from rlm_local.session.settings import Settings
from rlm_local.types import Limits


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = Settings()
    assert settings.limits == Limits()
    assert settings.cells == CellLimits()
    assert (settings.sandbox, settings.mode, settings.trace) == ("auto", "auto", "auto")
    assert not settings.count_tokens
    assert settings.read.include == settings.read.exclude == ()
