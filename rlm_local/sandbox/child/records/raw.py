"""What the readers of the single formats give: rows as they stand, before values are typed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

__all__ = ["NewRow", "Raw", "Row", "column_name", "gather", "unique_names"]

Row = dict[str, object]
NewRow = Callable[[Iterable[tuple[str, object]]], Row]
_NAME_CHARS = 60


@dataclass(slots=True)
class Raw:
    """A text taken apart; every line that is not blank is in one of rows, header and footer.

    Attributes:
        kind: what the text is made of, in a word for the root.
        names: the fields, in their order.
        text_name: the field of free text, where the format has one.
        is_typed: whether the text tells numbers from texts of digits, as JSON does.
        is_guess: whether nothing but the lines' looks says that each is one item.
    """

    kind: str
    names: list[str]
    rows: list[Row]
    header: list[str] = field(default_factory=list)
    footer: list[str] = field(default_factory=list)
    text_name: str | None = None
    is_guess: bool = False
    is_typed: bool = False


def column_name(written: str) -> str:
    """A name for a field that can be an attribute: "User ID" is `user_id`."""
    name = "".join(char if char.isalnum() else "_" for char in written.strip().lower())
    name = "_".join(filter(None, name.split("_")))[:_NAME_CHARS]
    return f"field_{name}" if name[:1].isdigit() else name


def unique_names(written: Sequence[str]) -> list[str]:
    """Names for fields, none empty, none twice."""
    names: list[str] = []
    for number, word in enumerate(written, 1):
        name = stem = column_name(word) or f"column_{number}"
        suffix = 2
        while name in names:
            name, suffix = f"{stem}_{suffix}", suffix + 1
        names.append(name)
    return names


def gather(
    raw: Raw, lines: Iterable[str], read: Callable[[str], Row | None], *, runs_on: str | None = None
) -> Raw:
    """Read line after line into rows; what is none goes to the header, the footer, or a row.

    Args:
        raw: takes it all.
        lines: of the text.
        read: a row, or None for a line that is not one.
        runs_on: the field which lines right below a row belong to, up to a blank line; below the
            last row only those that are indented.
    """
    below: list[str] = []  # lines right below the last row
    loose: list[str] = raw.header
    is_open = False
    for line in lines:
        row = read(line)
        if row is not None:
            _attach(raw, below, runs_on)
            raw.footer += loose if raw.rows else ()
            below, loose, is_open = [], [], runs_on is not None
            raw.rows.append(row)
        elif not line or line.isspace():
            is_open = False
        else:
            (below if is_open else loose).append(line)
    if raw.rows:
        n_own = next((i for i, line in enumerate(below) if not line[0].isspace()), len(below))
        _attach(raw, below[:n_own], runs_on)
        raw.footer += [*below[n_own:], *loose]
    return raw


def _attach(raw: Raw, below: list[str], runs_on: str | None) -> None:
    if below and runs_on is not None:
        raw.rows[-1][runs_on] = "\n".join([str(raw.rows[-1].get(runs_on) or ""), *below])
