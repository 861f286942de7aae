"""How one vLLM server is spread over cards and machines: what models.yaml says, and vLLM's flags.

vLLM, torch.distributed and Ray do the work; here it is checked and passed on, so that what is
wrong is told before anything starts. Starts no process on another machine.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Distributed", "checked_flags"]

_NOT_REACHABLE = ("127.", "localhost", "0.0.0.0", "::1")

_OURS = {
    "--api-key": None,
    "--block-size": None,
    "--data-parallel-size": "distributed.data_parallel",
    "--distributed-executor-backend": "distributed.executor",
    "--gpu-memory-utilization": "kv_cache_gib",
    "--headless": None,
    "--host": None,
    "--kv-cache-dtype": "kv_cache_dtype",
    "--kv-cache-memory": "kv_cache_gib",
    "--kv-cache-memory-bytes": "kv_cache_gib",
    "--master-addr": "distributed.address",
    "--master-port": "distributed.port",
    "--max-model-len": "max_model_len",
    "--max-num-batched-tokens": "max_num_batched_tokens",
    "--max-num-seqs": "max_num_seqs",
    "--model": "root or worker",
    "--nnodes": "distributed.machines",
    "--node-rank": None,
    "--pipeline-parallel-size": "distributed.pipeline_parallel",
    "--port": None,
    "--scheduling-policy": None,
    "--served-model-name": None,
    "--tensor-parallel-size": "tensor_parallel",
    "--uds": None,
}
"""Flag -> the key of a stack that sets it; None: nothing does, it is rlm_local's business."""
_SHORT = {
    "-dp": "--data-parallel-size",
    "-n": "--nnodes",
    "-pp": "--pipeline-parallel-size",
    "-r": "--node-rank",
    "-tp": "--tensor-parallel-size",
}


class Distributed(BaseModel):
    """How a server goes over cards and machines, beside `tensor_parallel`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    data_parallel: int = Field(default=1, ge=1)
    """Copies of the model behind one address, each on cards of its own."""
    pipeline_parallel: int = Field(default=1, ge=1)
    """Parts of the layers, one after the other, each on cards of its own."""
    executor: Literal["mp", "ray"] | None = None
    """Who starts vLLM's processes; `ray` needs Ray and a cluster that is up. Absent: vLLM says."""
    machines: int = Field(default=1, ge=1)
    """Machines with equally many cards that one server is spread over."""
    address: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.:_-]+$")
    """Of this machine, where the others reach it: on a network that is yours alone."""
    port: int = Field(default=29501, ge=1024, le=65535)
    """Where they meet there (`mp`); vLLM opens more beside it."""

    @model_validator(mode="after")
    def _machines_can_meet(self) -> "Distributed":
        if self.machines == 1 and self.address is not None:
            raise ValueError("address is for a server over several machines; set machines too")
        if self.machines > 1 and self.address is None:
            raise ValueError(
                f"{self.machines} machines need address: where the others reach this one"
            )
        if self.address is not None and self.address.startswith(_NOT_REACHABLE):
            raise ValueError(f"other machines cannot reach this one at {self.address}")
        return self

    @property
    def is_plain(self) -> bool:
        """Whether it is one copy on one machine, as without this entry."""
        return self == Distributed()

    def cards_here(self, tensor_parallel: int) -> int | None:
        """Cards of each machine; None where the machines cannot have equally many."""
        whole = tensor_parallel * self.pipeline_parallel * self.data_parallel
        return None if whole % self.machines else whole // self.machines

    def cut_over(self, cards_here: int) -> int:
        """Over how many cards one copy is cut, all machines together."""
        return max(1, cards_here * self.machines // self.data_parallel)

    @property
    def joining_ranks(self) -> range:
        """Ranks of the machines on which vLLM is started by hand; Ray starts it itself."""
        return range(1, 1 if self.executor == "ray" else self.machines)

    def flags(self, rank: int = 0) -> tuple[str, ...]:
        """Flags for vLLM on the machine of that rank; 0 is the one that answers requests."""
        flags: list[str] = []
        if self.pipeline_parallel > 1:
            flags += ["--pipeline-parallel-size", str(self.pipeline_parallel)]
        if self.executor:
            flags += ["--distributed-executor-backend", self.executor]
        if self.executor == "ray":
            return (*flags, *(("--data-parallel-backend", "ray") if self.data_parallel > 1 else ()))
        if self.machines > 1:
            flags += ["--nnodes", str(self.machines), "--node-rank", str(rank)]
            flags += ["--master-addr", str(self.address), "--master-port", str(self.port)]
        return (*flags, "--headless") if rank else tuple(flags)


def checked_flags(flags: tuple[str, ...]) -> tuple[str, ...]:
    """Flags of vLLM that a user may add, as given.

    Raises:
        ValueError: a flag that rlm_local sets itself; says which key to use.
    """
    if flags and not flags[0].startswith("-"):
        raise ValueError(f"vLLM's flags begin with --; {flags[0]!r} does not")
    for word in flags:
        name = word.partition("=")[0].replace("_", "-")
        name = _SHORT.get(name, name)
        if name in _OURS:
            instead = f"; set {_OURS[name]}" if _OURS[name] else ""
            raise ValueError(f"{name} is set by rlm_local itself{instead}")
    return flags
