"""Ids: texts of digits that are equal to the number of the same digits, and sort as numbers.

A set or a dict looks keys up by their hash, and an `Id` has that of its text. What counts by ids
(`tallies`) finds both spellings; a plain set of numbers does not find an `Id`, a list does.
"""

__all__ = ["Id"]


class Id(str):
    """Digits: `Id("40117") == "40117"`, and `Id("40117") == 40117`."""

    __slots__ = ()

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str.__eq__(self, other)
        return int(self) == other if isinstance(other, int | float) else False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: object) -> bool:
        return self._order(other) < 0

    def __le__(self, other: object) -> bool:
        return self._order(other) <= 0

    def __gt__(self, other: object) -> bool:
        return self._order(other) > 0

    def __ge__(self, other: object) -> bool:
        return self._order(other) >= 0

    def __format__(self, spec: str) -> str:
        try:
            return str.__format__(self, spec)
        except ValueError:  # a number's: `:,`, `:05d`
            return int(self).__format__(spec)

    def __int__(self) -> int:
        return int(str.__str__(self))

    __index__ = __int__

    def __bool__(self) -> bool:
        return int(self) != 0

    def _order(self, other: object) -> int:
        """Below, at or above zero as this stands before, at or after the other."""
        if isinstance(other, str):
            if not (other.isascii() and other.isdigit()):
                mine = str.__str__(self)
                return (mine > other) - (mine < other)
            number: int | float = int(str.__str__(other))
        elif isinstance(other, int | float):
            number = other
        else:
            raise TypeError(f"an id cannot be compared with a {type(other).__name__}")
        return (int(self) > number) - (int(self) < number)
