import pytest

from rlm_local.bench.attempts import Attempts, Failure
from rlm_local.errors import ConfigError, ModelError, RlmError, ServerError


def _fail(error: RlmError) -> int:
    raise error


def test_one_that_fails_leaves_the_others() -> None:
    attempts = Attempts[int]()
    assert attempts.run("a", lambda: 1) == 1
    assert attempts.run("b", lambda: _fail(ModelError("gone"))) is None
    assert attempts.run("c", lambda: _fail(ConfigError("too long a prompt"))) is None
    assert attempts.run("d", lambda: 4) == 4
    attempts.require_one()
    assert attempts.results == [1, 4]
    assert attempts.failures == [Failure("b", "gone"), Failure("c", "too long a prompt")]


def test_where_none_came_to_anything_the_first_error_is_raised() -> None:
    attempts = Attempts[int]()
    attempts.run("a", lambda: _fail(ModelError("first")))
    attempts.run("b", lambda: _fail(ModelError("second")))
    with pytest.raises(ModelError, match="first"):
        attempts.require_one()


@pytest.mark.parametrize("error", [ConfigError("no such profile"), ServerError("did not start")])
def test_what_would_stop_every_candidate_ends_it_at_once(error: RlmError) -> None:
    attempts = Attempts[int]()
    with pytest.raises(type(error)):
        attempts.run("a", lambda: _fail(error))


def test_a_fault_of_ours_is_not_taken_for_a_candidates() -> None:
    attempts = Attempts[int]()
    with pytest.raises(ZeroDivisionError):
        attempts.run("a", lambda: 1 // 0)
