"""The weights folder of this machine: what is there, where it is served from, pull and verify.

Reads models.yaml's entries through the registry; fetching is `pull`'s work, hashing `verify`'s.
"""

import errno
import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from rlm_local.errors import WeightsError
from rlm_local.registry import Registry
from rlm_local.weights.lock_file import WeightsLock, read_lock
from rlm_local.weights.origins import Progress
from rlm_local.weights.pull import Pull, PullSettings
from rlm_local.weights.verify import VerifyReport, bad_bytes, bad_sizes, strangers

__all__ = ["WeightState", "WeightStore", "no_progress"]

_ADAPTER = "adapter"

WeightState = Literal["present", "absent", "incomplete"]


def no_progress(stage: str, done_bytes: int, total_bytes: int) -> None:
    """A progress callback that shows nothing."""


class WeightStore:
    """Weights under one folder: `<model>/{source,served}/` and `<model>/lock.json`.

    A model's adapter lies in the same way under `<model>/adapter/`.
    """

    def __init__(
        self, folder: Path, registry: Registry, *, settings: PullSettings | None = None
    ) -> None:
        self._folder = folder
        self._registry = registry
        self._settings = settings or PullSettings()

    def state(self, model: str) -> WeightState:
        """Whether the model can be served, by sizes only.

        Raises:
            ConfigError: no such model.
        """
        self._registry.model(model)
        folder = self._folder / model
        try:
            self._usable_lock(model)
        except WeightsError:
            began = any((folder / name).exists() for name in ("lock.json", ".partial", "source"))
            return "incomplete" if began else "absent"
        own = self._adapter_store(model)
        return "present" if own is None or own.is_present(model) else "incomplete"

    def is_present(self, model: str) -> bool:
        """Whether the model can be served, by sizes only."""
        return self.state(model) == "present"

    def location(
        self, model: str, *, serving: Literal["vllm-cpu", "vllm-cuda", "transformers"]
    ) -> Path:
        """The folder to serve from: safetensors, configuration and tokenizer.

        GGUF sources are served converted by every backend: vLLM's GGUF loader is an extra that
        is not installed, and needs a GPU.

        Raises:
            WeightsError: absent, incomplete or of another revision; names the mending command.
            ConfigError: no such model.
        """
        lock = self._usable_lock(model)
        return self._folder / model / lock.served[0].path.partition("/")[0]

    def adapter_location(self, model: str) -> Path | None:
        """The folder of the model's adapter; None where its entry names none.

        Raises:
            WeightsError: absent or incomplete.
            ConfigError: no such model.
        """
        own = self._adapter_store(model)
        return own.location(model, serving="vllm-cuda") if own else None

    def tokenizer_file(self, model: str) -> Path:
        """The model's `tokenizer.json`.

        Raises:
            WeightsError: the model is not there, or came without one.
        """
        file = self.location(model, serving="transformers") / "tokenizer.json"
        if not file.is_file():
            raise WeightsError(f"the weights of {model} have no tokenizer.json")
        return file

    def digest(self, model: str) -> str:
        """Identifies the bytes that are served: `sha256:` and 64 hex digits.

        Raises:
            WeightsError: the model is not there.
        """
        own = self._adapter_store(model)
        digest = self._usable_lock(model).digest
        if own is None:
            return digest
        both = f"{digest} {own.digest(model)}"
        return "sha256:" + hashlib.sha256(both.encode()).hexdigest()

    def bytes_on_disk(self, model: str) -> int:
        """Bytes of the model's files, by its lock; 0 without one."""
        lock = read_lock(self._folder / model)
        own = self._adapter_store(model)
        beside = own.bytes_on_disk(model) if own else 0
        return beside + (sum(record.bytes for record in lock.files) if lock else 0)

    def pull(
        self, model: str, *, source: Path | None = None, progress: Progress = no_progress
    ) -> WeightsLock:
        """Make the model complete and right; what is already right is kept.

        Args:
            model: a name of models.yaml.
            source: a local folder to take it from, instead of hub and mirror.
            progress: told the stage and its bytes.

        Raises:
            WeightsError: no source gave it, wrong bytes, no disk space, or refused.
            ConfigError: no such model.
        """
        spec = self._registry.model(model)
        folder = self._folder / model
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _only_one(folder, progress):
                lock = Pull(model, spec, folder, self._settings, progress).run(source)
            if own := self._adapter_store(model):
                own.pull(model, source=source, progress=progress)
            return lock
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                free = self._settings.free_bytes(folder)
                raise WeightsError(
                    f"the disk of {folder} is full ({free:,} bytes free); free some and pull "
                    "again: what came so far is kept"
                ) from error
            raise WeightsError(f"cannot write weights under {folder}: {error}") from error

    def verify(self, model: str, *, progress: Progress = no_progress) -> VerifyReport:
        """Read every file again and compare it with the lock, and the lock with models.yaml.

        Raises:
            WeightsError: the model is absent, or its lock is damaged.
            ConfigError: no such model.
        """
        spec = self._registry.model(model)
        folder = self._folder / model
        lock = read_lock(folder)
        if lock is None:
            raise self._absent(model)
        total = sum(record.bytes for record in lock.files)
        done = 0

        def tell(n_bytes: int) -> None:
            nonlocal done
            done += n_bytes
            progress("check", done, total)

        problems = bad_bytes(folder, lock.files, tell)
        problems += [f"{path} was not pulled" for path in strangers(folder, lock)]
        if wrong := lock.mismatch(spec.source):
            problems.append(f"the weights in {folder} do not fit: {wrong}")
        if not lock.served:
            problems.append(f"{folder} has not been converted to safetensors")
        report = VerifyReport(model, tuple(problems), len(lock.files), total)
        own = self._adapter_store(model)
        return report + own.verify(model, progress=progress) if own else report

    def _adapter_store(self, model: str) -> "WeightStore | None":
        """A store within the model's folder, whose only model is the adapter, by the same name."""
        spec = self._registry.model(model)
        if spec.adapter is None:
            return None
        alone = spec.model_copy(update={"source": spec.adapter, "adapter": None})
        registry = self._registry.model_copy(update={"models": {model: alone}})
        return WeightStore(self._folder / model / _ADAPTER, registry, settings=self._settings)

    def _usable_lock(self, model: str) -> WeightsLock:
        spec = self._registry.model(model)
        folder = self._folder / model
        lock = read_lock(folder)
        if lock is None or not lock.served:
            raise self._absent(model)
        problems = bad_sizes(folder, lock.served)
        if wrong := lock.mismatch(spec.source):
            problems.append(f"the weights in {folder} do not fit: {wrong}")
        if problems:
            raise WeightsError(f"{problems[0]}; mend it with: rlm-local pull {model}")
        return lock

    def _absent(self, model: str) -> WeightsError:
        return WeightsError(
            f"the weights of {model} are not complete under {self._folder}; "
            f"get them with: rlm-local pull {model}"
        )


@contextmanager
def _only_one(folder: Path, progress: Progress) -> Iterator[None]:
    """Wait until no other process pulls into the folder. The kernel frees the lock at a crash."""
    with (folder / ".pull.lock").open("wb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("wait", 0, 0)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
