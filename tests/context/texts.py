"""Reads a whole context, and strategies for texts that are hard on offsets."""

from hypothesis import strategies as st

from rlm_local.context.mapped_file import MappedContext
from rlm_local.types import ContextSlice

# One to four bytes a character, line ends of all kinds, and no surrogates.
mixed_texts = st.text(st.sampled_from("ab \n\r.é\u0800日\U0001f600\U00020000"), max_size=400)


def read_all(context: MappedContext) -> str:
    return context.read(ContextSlice(0, context.facts.chars))


def document_texts(context: MappedContext) -> dict[str, str]:
    return {
        span.name: context.read(ContextSlice(span.start_char, span.end_char))
        for span in context.documents
    }
