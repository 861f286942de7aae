"""What sealed REPLs, which can open no file, may need later: imported and read beforehand.

Modules of the standard library, every codec, every time zone, numpy, pandas and pydantic where
they are installed. A cell that imports anything else reads what there is.
"""

import contextlib
import importlib
import os
import pkgutil
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from io import BytesIO
from types import ModuleType
from typing import IO

__all__ = ["explain_missing_modules", "import_allowed_modules"]

_MODULES = """
abc argparse array ast asyncio base64 binascii bisect bz2 calendar cmath codecs collections
collections.abc colorsys concurrent.futures concurrent.futures.thread configparser contextlib
contextvars copy csv dataclasses datetime decimal difflib email email.message email.parser
email.policy email.utils enum fnmatch fractions functools getpass glob graphlib gzip hashlib heapq
hmac html html.entities html.parser http importlib importlib.metadata importlib.resources inspect
io ipaddress itertools json keyword linecache locale logging lzma math mimetypes numbers operator
os pathlib pickle platform pprint queue quopri random re reprlib sched secrets shlex shutil signal
sqlite3 statistics string stringprep struct sys tempfile textwrap threading time timeit token
tokenize tomllib traceback types typing unicodedata unittest urllib.parse uuid warnings weakref
xml.dom.minidom xml.etree.ElementTree xml.sax zipfile zlib zoneinfo _pydecimal _strptime
"""
_PACKAGES = """
numpy numpy.fft numpy.linalg numpy.ma numpy.polynomial numpy.random numpy.testing
pandas pandas.api.types pandas.tseries.frequencies pandas.tseries.offsets
pydantic
"""
_WITH_ALL_THEIR_MODULES = ("encodings", "pandas.io.formats")
"""They import the rest of themselves at first use."""
_BROKEN = (
    ImportError, AttributeError, LookupError, NameError, OSError, RuntimeError, SyntaxError,
    TypeError, ValueError,
)  # fmt: skip
"""What packages raise that are built for another Python, another numpy, or are half there."""
_HIDDEN = ("pyarrow",)
"""They start a thread when imported, and pandas does without: this process must not have one."""


def import_allowed_modules(packages: tuple[str, ...]) -> None:
    """Import what a sealed cell may use; what is not installed, or is broken, is passed over."""
    sys.path.extend(packages)
    hidden = dict.fromkeys(_HIDDEN)  # None: to import it is an ImportError
    sys.modules.update(hidden)  # type: ignore[arg-type]  # stubs lack None, Python's mark for `not there`
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (*_MODULES.split(), *_PACKAGES.split()):
            _import(name)
        for parent in _WITH_ALL_THEIR_MODULES:
            for name in _modules_of(parent):
                _import(name)
        _use_pydantic()
    for name in _HIDDEN:
        del sys.modules[name]
    for path in packages:
        sys.path.remove(path)
    _read_time_zones()


def explain_missing_modules() -> None:
    """Let an import that fails say why it does."""
    sys.meta_path.append(_Explainer())


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except _BROKEN:
        return


def _use_pydantic() -> None:
    """Let it read what it reads when its names, models and schemas are first used."""
    pydantic = sys.modules.get("pydantic")
    for name in getattr(pydantic, "__all__", ()):
        with contextlib.suppress(*_BROKEN):
            getattr(pydantic, name)
    if pydantic is not None:
        with contextlib.suppress(*_BROKEN):
            pydantic.TypeAdapter(int).json_schema()


def _modules_of(parent: str) -> Iterator[str]:
    package = sys.modules.get(parent)
    for found in pkgutil.iter_modules(getattr(package, "__path__", ())):
        if not found.name.startswith("_"):
            yield f"{parent}.{found.name}"


def _read_time_zones() -> None:
    """Read the file of every zone: libraries do so again whenever they need one."""
    import zoneinfo
    import zoneinfo._common

    time.tzset()  # reads the local one
    zones: dict[str, bytes] = {}
    for name in zoneinfo.available_timezones():
        try:
            with _open_zone(name) as file:
                zones[name] = file.read()
        except (OSError, ValueError, ImportError, zoneinfo.ZoneInfoNotFoundError):
            continue

    def load_tzdata(key: str) -> BytesIO:
        if key not in zones:
            raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
        return BytesIO(zones[key])

    # What the library falls back to when it finds no file, as in a sealed REPL it never does.
    zoneinfo._common.load_tzdata = load_tzdata  # type: ignore[assignment]  # the same signature, files from memory
    zoneinfo.available_timezones = lambda: set(zones)


def _open_zone(name: str) -> IO[bytes]:
    import zoneinfo
    import zoneinfo._common

    for folder in zoneinfo.TZPATH:
        path = f"{folder}/{name}"
        if os.path.isfile(path):  # noqa: PTH113
            return open(path, "rb")  # noqa: PTH123
    return zoneinfo._common.load_tzdata(name)


class _Explainer:
    """The last finder asked: nobody before it found the module."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Never finds.

        Raises:
            ModuleNotFoundError: with the modules there are.
        """
        wanted = {*_MODULES.split(), *_PACKAGES.split()}
        loaded = sorted(n for n in wanted & sys.modules.keys() if "." not in n and n[0] != "_")
        raise ModuleNotFoundError(
            f"{name!r} is not pre-loaded in sealed mode; available: {', '.join(loaded)}",
            name=name,
        )
