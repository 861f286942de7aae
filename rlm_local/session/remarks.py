"""What a user should know of how a context was read: files left out, encodings converted."""

from rlm_local.context.mapped_file import MappedContext
from rlm_local.context.sources import summarise

__all__ = ["remarks_on"]

_NAMED = 3


def remarks_on(context: MappedContext) -> list[str]:
    """One line for files that were not read, one for files that were not UTF-8."""
    remarks = []
    if context.skipped:
        remarks.append(f"not read: {summarise(context.skipped)}")
    if context.converted:
        named = ", ".join(f"{item.path} ({item.encoding})" for item in context.converted[:_NAMED])
        more = len(context.converted) - _NAMED
        remarks.append(f"not UTF-8, converted: {named}{f' and {more} more' if more > 0 else ''}")
    return remarks
