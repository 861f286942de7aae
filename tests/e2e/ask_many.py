"""One question over several texts, with the model loaded once: for models that start slowly.

`python -m tests.e2e.ask_many STACK QUESTION TEXT...` prints one JSON object a text.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rlm_local import RLM, Limits
from rlm_local.session.settings import Settings


def main(arguments: Sequence[str]) -> None:
    """One cell each, then the answer."""
    stack, question, *texts = arguments
    settings = Settings(mode="rlm", limits=Limits(max_turns=1))
    with RLM.local(stack, settings=settings) as rlm:
        for text in texts:
            print(json.dumps(asdict(rlm.complete(Path(text), question))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
