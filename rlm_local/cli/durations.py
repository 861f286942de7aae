"""Durations as people write them: `90s`, `30m`, `2h`, `1d`; a bare number is seconds."""

import re

import click

__all__ = ["DURATION"]

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        found = _FORM.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no duration; write such as 90s, 30m, 2h or 0", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


DURATION = _Duration()
