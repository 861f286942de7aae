"""OOLONG-synth's questions over a window, each with the program that answers it from its rows.

Wording, spelling slips included, and the conditions under which a question is asked are those of
abertsch72/oolong, `task_constructors.py` (arXiv 2511.02817, tables 15 to 17). Three things differ:
a question whose answer is tied is not asked, as the scorer would take only one of the tied; dates
represented n times are counted among all dates, not among the fifty most frequent; and there are
up to `SUBSETS` subsets of users, months and ranges a window instead of one.
"""

import random
from collections.abc import Sequence

from benchmarks.tasks.oolong_counting import EVERYWHERE, Query, Rows, counting
from benchmarks.tasks.oolong_timeline import timeline_questions
from benchmarks.tasks.oolong_users import among_users, user_questions

__all__ = ["Query", "queries"]


def queries(rows: Rows, labels: Sequence[str], generator: random.Random) -> list[Query]:
    """All questions that can be asked over the rows, in no order that matters."""
    return [
        *counting(rows, EVERYWHERE, labels),
        *user_questions(rows, labels, generator),
        *among_users(rows, labels, generator),
        *timeline_questions(rows, labels, generator),
    ]
