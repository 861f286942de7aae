"""Weights from a model hub at one commit, over its HTTP API, resumable inside a file.

Gives up in seconds where there is no network. Sends no telemetry. Checks nothing: the caller
compares sizes and hashes.
"""

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rlm_local.registry import Source
from rlm_local.weights.origins import (
    Listing,
    OriginFailed,
    OriginKind,
    WantedFile,
    choose_files,
)

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

__all__ = ["Hub"]

_READ_TIMEOUT_S = 30.0
_TRIES_WITHOUT_PROGRESS = 4
_TRUE = {"1", "true", "yes", "on"}


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub repository at a revision.

    `endpoint` is the hub's address; absent, `HF_ENDPOINT` or the public hub.
    `pause_s` is the wait before the first retry; it doubles. `answer_timeout_s` bounds the
    listing, with which it is found out whether there is a network.
    """

    source: Source
    revision: str | None = None
    endpoint: str | None = None
    pause_s: float = 1.0
    answer_timeout_s: float = 5.0

    @property
    def kind(self) -> OriginKind:
        """Always "hub"."""
        return "hub"

    @property
    def title(self) -> str:
        """Address and repository."""
        return f"{self._address()}/{self.source.repo}"

    def list_files(self) -> Listing:
        """The files at the revision; without one, at the head, whose commit is in the listing.

        Raises:
            OriginFailed: no network, no such repository or revision, or not allowed.
            WeightsError: the repository holds only pickles.
        """
        if any(os.environ.get(name, "").lower() in _TRUE for name in _OFFLINE_SWITCHES):
            raise OriginFailed("the hub is switched off (HF_HUB_OFFLINE)")
        # Names that do not resolve can hang longer than any socket timeout.
        facts = _within_deadline(
            self._ask_for_facts, self._address(), deadline_s=2 * self.answer_timeout_s
        )
        found = [
            WantedFile(item.rfilename, item.size, item.lfs.sha256 if item.lfs else None)
            for item in facts.siblings or []
        ]
        if not _is_plausible(facts.sha, found):
            raise OriginFailed(f"{self.title} is listed in a way that no model hub lists models")
        return Listing(choose_files(found, self.source, self.title), facts.sha)

    def at(self, revision: str | None) -> "Hub":
        """The same repository at the commit a listing named."""
        return dataclasses.replace(self, revision=revision)

    def fetch(self, file: WantedFile, target: Path, report: Callable[[int], None]) -> None:
        """Download one file, asking only for the bytes that are missing.

        Raises:
            OriginFailed: the connection broke again and again, or the hub refused.
        """
        failures = 0
        with target.open("ab") as stream:
            while file.bytes is None or stream.tell() < file.bytes:
                before = stream.tell()
                problem = self._append(file, stream, report)
                if problem is None:
                    return
                failures = 0 if stream.tell() > before else failures + 1
                if failures >= _TRIES_WITHOUT_PROGRESS:
                    raise OriginFailed(f"{self.title}: {file.name}: {problem}")
                time.sleep(self.pause_s * 2**failures)

    def _append(
        self, file: WantedFile, stream: BinaryIO, report: Callable[[int], None]
    ) -> str | None:
        """Add what one request gives; the reason when it broke off, `None` when it is all."""
        from huggingface_hub import get_session, hf_hub_url

        # the hub client re-exports these without declaring them
        from huggingface_hub.utils import (  # type: ignore[attr-defined]
            build_hf_headers,
            httpx,  # the version that the library itself uses
        )

        url = hf_hub_url(
            self.source.repo, file.name, revision=self.revision, endpoint=self._address()
        )
        headers = build_hf_headers(library_name="rlm_local") | {
            "Range": f"bytes={stream.tell()}-",
            "Accept-Encoding": "identity",
        }
        try:
            with get_session().stream(
                "GET", url, headers=headers, timeout=_READ_TIMEOUT_S
            ) as response:
                if response.status_code == 416:  # nothing after these bytes
                    return None
                if response.status_code in (401, 403, 404):
                    raise OriginFailed(f"{self.title}: {file.name}: HTTP {response.status_code}")
                if response.status_code not in (200, 206):
                    return f"HTTP {response.status_code}"
                if response.status_code == 200:  # the server gives the whole file
                    stream.seek(0)
                    stream.truncate()
                for chunk in response.iter_raw():
                    stream.write(chunk)
                    report(stream.tell())
        except httpx.HTTPError as error:
            return str(error) or type(error).__name__
        except (httpx.InvalidURL, UnicodeError) as error:
            raise OriginFailed(f"{self._address()!r} is not a hub's address ({error})") from error
        if file.bytes is not None and stream.tell() < file.bytes:
            return f"broke off after {stream.tell()} of {file.bytes} bytes"
        return None

    def _ask_for_facts(self) -> "ModelInfo":
        from huggingface_hub import HfApi

        api = HfApi(endpoint=self._address(), library_name="rlm_local")
        return api.model_info(
            self.source.repo,
            revision=self.revision,
            files_metadata=True,
            timeout=self.answer_timeout_s,
        )

    def _address(self) -> str:
        named = self.endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        return named.rstrip("/")


def _is_plausible(commit: object, found: Sequence[WantedFile]) -> bool:
    """Whether a listing has the types it should: the library passes on whatever came."""
    texts: list[object] = [commit, *(item.name for item in found)]
    sizes: list[object] = [item.bytes for item in found]
    hashes: list[object] = [item.sha256 for item in found]
    return (
        all(isinstance(value, str) for value in texts)
        and all(isinstance(value, int | None) for value in sizes)
        and all(isinstance(value, str | None) for value in hashes)
    )


_OFFLINE_SWITCHES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def _within_deadline(
    ask: "Callable[[], ModelInfo]", address: str, *, deadline_s: float
) -> "ModelInfo":
    """Run `ask` in a thread that is left behind when it takes too long.

    Raises:
        OriginFailed: it failed, or did not answer in time.
    """
    import huggingface_hub.constants  # here, so that the import does not eat the deadline

    # Else it asks the public hub which agents there are, whatever the address and the mirror. The
    # variable of that name would come too late where transformers was imported before.
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True

    outcome: list[ModelInfo | OriginFailed] = []

    def run() -> None:
        try:
            outcome.append(_ask_or_explain(ask, address))
        except OriginFailed as failure:
            outcome.append(failure)

    thread = threading.Thread(target=run, daemon=True, name="hub-listing")
    thread.start()
    thread.join(deadline_s)
    answer = outcome[0] if outcome else OriginFailed(f"{address} does not answer")
    if isinstance(answer, OriginFailed):
        raise answer
    return answer


def _ask_or_explain(ask: "Callable[[], ModelInfo]", address: str) -> "ModelInfo":
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # the HTTP library that the client itself uses, whichever its version has
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    try:
        return ask()
    except GatedRepoError as error:
        raise OriginFailed(
            "the hub wants you to accept the model's terms there, then to set HF_TOKEN"
        ) from error
    except RepositoryNotFoundError as error:
        raise OriginFailed("the hub has no such repository (private ones need HF_TOKEN)") from error
    except RevisionNotFoundError as error:
        raise OriginFailed("the hub has no such revision") from error
    except OfflineModeIsEnabled as error:
        raise OriginFailed("the hub is switched off (HF_HUB_OFFLINE)") from error
    except httpx.InvalidURL as error:
        raise OriginFailed(f"{address!r} is not a hub's address ({error})") from error
    except (AttributeError, LookupError, RecursionError, TypeError) as error:  # of the listing
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise OriginFailed(f"{address} does not answer as a model hub does ({reason})") from error
    except (httpx.HTTPError, OSError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise OriginFailed(f"{address} is out of reach ({reason})") from error
