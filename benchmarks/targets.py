"""Which models a benchmark asks: the flags, and the `RLM` they stand for.

Starts nothing until the `RLM` is entered.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from rlm_local import RLM
from rlm_local.config import Home
from rlm_local.session.results import CacheSettings
from rlm_local.session.settings import Settings

__all__ = ["add_target_flags", "bench_folder", "open_target"]


def add_target_flags(parser: argparse.ArgumentParser) -> None:
    """`--stack`, or an endpoint that already runs."""
    parser.add_argument("--stack", default="auto", help="entry of models.yaml (default: auto)")
    parser.add_argument("--base-url", help="an OpenAI-shaped endpoint instead of a stack")
    parser.add_argument("--api-key", help="its key")
    parser.add_argument("--root", help="name of the root model there")
    parser.add_argument("--worker", help="name of the worker model there")
    parser.add_argument(
        "--keep-replies",
        action="store_true",
        help="use the result cache: a second question over the same labels is nearly free",
    )


def open_target(arguments: argparse.Namespace, settings: Settings) -> RLM:
    """The `RLM` the flags name.

    It keeps no replies unless told to: a benchmark measures models, not a file.
    """
    settings = replace(settings, cache=CacheSettings("on" if arguments.keep_replies else "off"))
    if not arguments.base_url:
        return RLM.local(arguments.stack, settings=settings)
    if not arguments.root:
        raise SystemExit("--base-url needs --root NAME, the model to ask there")
    return RLM(
        base_url=arguments.base_url,
        api_key=arguments.api_key,
        root=arguments.root,
        worker=arguments.worker,
        settings=settings,
    )


def bench_folder() -> Path:
    """Where downloaded text is kept: `bench` under the home folder."""
    return Home.from_environment().root / "bench"
