"""A process of its own that builds one automaton over a model's tokens, and can be killed.

A few characters of a pattern can ask for gigabytes or for hours, in native code that nothing
interrupts: so it is built here, under limits the order names. Stands alone, imports Outlines'
core only. Standard input: one line of JSON (`regex` or `schema`, `memory_bytes`, `cpu_s`,
`index_bytes`), then the vocabulary's bytes. Standard output: the automaton's bytes. Exit 1:
standard error says why.
"""

import json
import resource
import sys

__all__ = ["main"]


def main() -> int:
    """Build what standard input asks for."""
    order = json.loads(sys.stdin.buffer.readline())
    limits = {
        resource.RLIMIT_AS: order["memory_bytes"],
        resource.RLIMIT_CPU: order["cpu_s"],
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    from outlines_core import Index, Vocabulary
    from outlines_core.json_schema import build_regex_from_schema

    vocabulary = Vocabulary.from_binary(sys.stdin.buffer.read())
    try:
        regex = order.get("regex") or build_regex_from_schema(order["schema"])
        index = Index(regex, vocabulary)
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        print(str(error).strip() or type(error).__name__, file=sys.stderr)
        return 1
    _, (data,) = index.__reduce__()  # it gives its bytes in no other way
    if len(data) > order["index_bytes"]:
        print(f"it takes {len(data):,} bytes; ask for less", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
