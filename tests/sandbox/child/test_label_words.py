from rlm_local.sandbox.child.label_words import odds_of_words, words_of


def test_words_signs_and_the_length_of_numbers_count_not_their_digits() -> None:
    assert words_of("Ring 08712 NOW!") == {"ring", "number 5", "now", "!", "shouted", "length 0"}
    assert words_of("call 1 or 2") == {"call", "number 1", "or", "length 0"}
    assert words_of("") == {"length 0"}
    assert len(words_of("ab " * 200_000)) == 2


def test_texts_with_the_words_of_a_label_speak_for_it() -> None:
    said = ("red rose", "red tulip", "red wine", "blue sea", "blue sky", "red brick")
    odds = odds_of_words([frozenset(text.split()) for text in said], [0, 0, 0, 1, 1, 1], 2)
    assert [first > second for first, second in odds] == [True] * 3 + [False, False, True]


def test_a_text_alone_with_its_words_says_nothing_whatever_its_label() -> None:
    texts = [frozenset({"a"}), frozenset({"b"}), frozenset({"c"}), frozenset({"d"})]
    for labels in ([0, 0, 1, 1], [0, 1, 1, 1], [2, 1, 0, 0]):
        assert odds_of_words(texts, labels, 3) == [[0.0] * 3] * 4


def test_no_texts_and_labels_that_none_has_are_fine() -> None:
    assert odds_of_words([], [], 2) == []
    first, second = odds_of_words([frozenset({"a"}), frozenset({"a"})], [1, 1], 3)
    assert first == second
    assert first[0] == first[2]
