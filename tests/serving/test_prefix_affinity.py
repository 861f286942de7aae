import pytest

from rlm_local.serving.prefix_affinity import PrefixMemory, chain_of

PIECE = 256


def _text(n_pieces: int, letter: str = "x") -> str:
    return letter * (n_pieces * PIECE)


@pytest.mark.parametrize(("n_chars", "pieces"), [(0, 0), (255, 0), (256, 1), (511, 1), (512, 2)])
def test_only_whole_pieces_count(n_chars: int, pieces: int) -> None:
    assert len(chain_of("x" * n_chars)) == pieces


def test_texts_share_what_they_begin_with_and_no_more() -> None:
    one, two = chain_of(_text(3) + _text(2, "a")), chain_of(_text(3) + _text(2, "b"))
    assert one[:3] == two[:3]
    assert not set(one[3:]) & set(two[3:])


def test_the_same_piece_after_another_beginning_is_another() -> None:
    assert chain_of(_text(1, "a") + _text(1))[1] != chain_of(_text(1, "b") + _text(1))[1]


def test_an_endless_prompt_costs_no_more_than_a_long_one() -> None:
    assert len(chain_of(_text(10_000))) == 256


def test_what_was_read_is_known_from_the_beginning_on() -> None:
    memory = PrefixMemory()
    assert memory.shared(chain_of(_text(4))) == 0
    memory.note(chain_of(_text(4)))
    assert memory.shared(chain_of(_text(4))) == 4
    assert memory.shared(chain_of(_text(2) + _text(2, "y"))) == 2
    assert memory.shared(chain_of(_text(1, "y") + _text(3))) == 0
    assert memory.shared(()) == 0


def test_ends_are_forgotten_before_beginnings_and_old_texts_before_new() -> None:
    memory = PrefixMemory(most=4)
    old, new = chain_of(_text(3, "a")), chain_of(_text(2, "b"))
    memory.note(old)
    memory.note(new)
    assert (memory.shared(old), memory.shared(new)) == (2, 2)
    memory.note(old[:1])  # read again
    memory.note(chain_of(_text(2, "c")))
    assert (memory.shared(old), memory.shared(new)) == (1, 1)


def test_a_text_longer_than_the_memory_is_known_by_its_beginning() -> None:
    memory = PrefixMemory(most=3)
    memory.note(chain_of(_text(10)))
    assert memory.shared(chain_of(_text(10))) == 3


def test_a_memory_that_is_cleared_knows_nothing() -> None:
    memory = PrefixMemory()
    memory.note(chain_of(_text(2)))
    memory.clear()
    assert memory.shared(chain_of(_text(2))) == 0
