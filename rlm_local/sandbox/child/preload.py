"""Modules for sealed REPLs, which can open no file: imported before the lock-down.

A cell that imports another one reads which there are.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["explain_missing_modules", "import_allowed_modules"]

_MODULES = """
abc argparse array ast asyncio base64 binascii bisect calendar cmath codecs collections
collections.abc colorsys concurrent.futures concurrent.futures.thread contextlib contextvars copy
csv dataclasses datetime decimal difflib email email.utils encodings.ascii encodings.idna
encodings.latin_1 encodings.utf_16 encodings.utf_8_sig enum fnmatch fractions functools getpass
glob graphlib gzip hashlib heapq hmac html html.entities html.parser importlib inspect io itertools
json keyword linecache locale logging math numbers operator os pathlib pickle platform pprint queue
random re reprlib sched secrets shlex signal sqlite3 statistics string stringprep struct sys
tempfile textwrap threading time timeit token tokenize traceback types typing unicodedata unittest
urllib.parse uuid warnings weakref xml.dom.minidom xml.etree.ElementTree zipfile zlib zoneinfo
_strptime _pydecimal bz2 lzma
"""
_PACKAGES = ("numpy",)


def import_allowed_modules(packages: tuple[str, ...]) -> None:
    """Import what a sealed cell may use; what is not installed is passed over."""
    sys.path.extend(packages)
    for name in (*_MODULES.split(), *_PACKAGES):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    for path in packages:
        sys.path.remove(path)


def explain_missing_modules() -> None:
    """Let an import that fails say why it does."""
    sys.meta_path.append(_Explainer())


class _Explainer:
    """The last finder asked: nobody before it found the module."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Never finds.

        Raises:
            ModuleNotFoundError: with the modules there are.
        """
        available = sorted(module for module in _MODULES.split() if "." not in module)
        raise ModuleNotFoundError(
            f"{name!r} is not pre-loaded in sealed mode; available: {', '.join(available)}",
            name=name,
        )
