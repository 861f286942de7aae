"""Run attacks by hand: a JSON line for each, then the verdict. Exit 1 if one is not as predicted.

    python -m tests.sandbox.attacks --policy auto
    python -m tests.sandbox.attacks --without landlock,self_probe,outside_check --as-user
    python -m tests.sandbox.attacks --campaign "auto,sealed,landlock alone"

A campaign prints one line for each configuration of `campaign.CONFIGURATIONS` ("all" for all).
"""

import argparse
import asyncio
import json
import sys

from tests.sandbox.attacks.arena import Configuration
from tests.sandbox.attacks.as_user import become_user
from tests.sandbox.attacks.campaign import CONFIGURATIONS, run_campaign, run_configuration
from tests.sandbox.attacks.case import Outcome
from tests.sandbox.attacks.catalogue import ATTACKS

__all__ = ["main"]

EXIT_REFUSED = 3


def main() -> int:
    """Parse the command line and run."""
    options = _parse()
    if options.as_user or options.readable:
        rest = [word for word in sys.argv[1:] if word not in ("--as-user", "--readable")]
        become_user(rest, "tests.sandbox.attacks", stay_root=not options.as_user)
    attacks = [ATTACKS[name] for name in options.cases] or list(ATTACKS.values())
    if options.campaign:
        names = list(CONFIGURATIONS) if options.campaign == ["all"] else options.campaign
        verdicts = asyncio.run(run_campaign(names, attacks))
        for name, verdict in verdicts.items():
            print(f"{name}\t{verdict.to_json()}")
        return int(any(verdict.unlike for verdict in verdicts.values()))
    configuration = Configuration(options.policy, frozenset(options.without))
    verdict, outcomes = asyncio.run(run_configuration(configuration, attacks))
    for outcome in outcomes:
        if outcome.is_breached or not options.quiet:
            print(json.dumps(_line(outcome)))
    print(verdict.to_json())
    if verdict.refused is not None:
        return EXIT_REFUSED
    return int(bool(verdict.unlike))


def _parse() -> argparse.Namespace:
    def names(text: str) -> list[str]:
        return [name.strip() for name in text.split(",") if name.strip()]

    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.attacks")
    parser.add_argument("--policy", default="auto")
    parser.add_argument("--without", type=names, default=[], help="layers to leave out, by commas")
    parser.add_argument("--cases", type=names, default=[], help="names, by commas; none: all")
    parser.add_argument("--campaign", type=names, default=[], help="configurations, by commas")
    parser.add_argument("--as-user", action="store_true", help="as an unprivileged user")
    parser.add_argument("--readable", action="store_true", help="let anybody read Python's files")
    parser.add_argument("--quiet", action="store_true", help="only what was breached")
    return parser.parse_args()


def _line(outcome: Outcome) -> dict[str, object]:
    return {
        "name": outcome.attack.name,
        "case": outcome.attack.number,
        "worked": outcome.has_worked,
        "evidence": outcome.evidence,
        "failure": outcome.failure.splitlines()[-1] if outcome.failure else "",
        "absent": outcome.is_absent,
        "ms": round(outcome.seconds * 1000, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
