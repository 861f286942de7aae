"""A token counter whose tokens are words, so that a test can count them by itself."""


class WordCounter:
    """Implements `interfaces.TokenCounter`; remembers how much text it was shown."""

    def __init__(self, *, exact: bool = True) -> None:
        self.exact = exact
        self.n_chars_shown = 0

    def count(self, text: str) -> int:
        self.n_chars_shown += len(text)
        return len(text.split())
