"""All families of tasks by name."""

import difflib
from collections.abc import Mapping

from benchmarks.tasks import (
    babilong,
    code_questions,
    multihop,
    oolong,
    pairs,
    ruler_needles,
    ruler_words,
    verbatim,
)
from benchmarks.tasks.task import Family, OptionError

__all__ = ["FAMILIES", "family_named"]

_MODULES = (ruler_needles, ruler_words, multihop, oolong, pairs, code_questions, babilong, verbatim)
FAMILIES: Mapping[str, Family] = {
    family.name: family for module in _MODULES for family in module.FAMILIES
}


def family_named(name: str) -> Family:
    """The family.

    Raises:
        OptionError: there is none with this name; the nearest names are told.
    """
    if name not in FAMILIES:
        near = difflib.get_close_matches(name, FAMILIES, n=3) or list(FAMILIES)
        raise OptionError(f"there is no family {name}; there is {', '.join(near)}")
    return FAMILIES[name]
