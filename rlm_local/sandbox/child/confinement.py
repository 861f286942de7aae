"""Which layers of confinement there are, which a policy asks for, and how each one stands.

Values only; `lockdown` engages them, `rehearsal` finds out which of them the kernel gives.
"""

__all__ = ["LAYERS", "Confinement", "NotConfined"]

LAYERS = (
    "namespaces", "private_root", "uid", "landlock", "capabilities", "rlimits", "seccomp",
)  # fmt: skip
"""In the order in which they are engaged."""

_OPPORTUNISTIC = ("namespaces", "private_root", "uid", "landlock")
_FIX = {
    "capabilities": "run it where capset is allowed",
    "rlimits": "run it where setrlimit is allowed",
    "seccomp": "the container or kernel blocks seccomp filters; allow the seccomp system call, "
    "or ask for sandbox off to run without protection",
}


class NotConfined(RuntimeError):
    """The process cannot be confined as asked; the message names the call and what to do."""


class Confinement:
    """What to switch on, and in `report`: layer -> "active[: detail]", "degraded: why", "off"."""

    __slots__ = ("report", "sealed", "uid", "wanted")

    def __init__(self, policy: str, *, uid: int | None, without: frozenset[str]) -> None:
        """`uid` is whom REPLs become, None: stay; `without` is left out, for tests."""
        self.wanted = set() if policy == "off" else set(LAYERS) - without
        self.sealed = policy == "sealed" and "seccomp" in self.wanted
        self.uid = uid
        self.report = dict.fromkeys(
            (*LAYERS, "no_new_privs", "threads", "sealed", "scratch"), "off"
        )
        if policy != "off":
            self.report.update(dict.fromkeys(without & set(LAYERS), "off: left out by the caller"))
        if uid is None:
            self.wanted.discard("uid")
        if "namespaces" in without:
            self.wanted.discard("private_root")
            self.report["private_root"] = "off: needs namespaces"

    def has(self, layer: str) -> bool:
        """Whether this layer is to be engaged."""
        return layer in self.wanted

    def lose(self, layer: str, why: str) -> None:
        """The kernel refuses a layer.

        Raises:
            NotConfined: there is no confinement without it.
        """
        if layer not in _OPPORTUNISTIC:
            raise NotConfined(f"{layer} is not available: {why}; {_FIX[layer]}")
        self.wanted.discard(layer)
        self.report[layer] = f"degraded: {why}"
        if layer == "namespaces" and "private_root" in self.wanted:
            self.wanted.discard("private_root")
            self.report["private_root"] = f"degraded: needs namespaces, {why}"

    def settle(self) -> None:
        """Seal what no layer keeps from files; to be called when nothing is lost any more."""
        files = self.wanted & {"private_root", "landlock"}
        if "seccomp" in self.wanted and not files and not self._was_left_out():
            self.sealed = True

    def _was_left_out(self) -> bool:
        """Whether a test asked for exactly this: one layer seen alone."""
        return any(
            self.report[layer].startswith("off: left out") for layer in ("private_root", "landlock")
        )
