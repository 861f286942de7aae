"""Two servers that are processes of their own; one is killed while a batch is under way."""

from rlm_local.events import Event, SubcallDone
from rlm_local.session.settings import Settings
from rlm_local.types import Limits
from tests.fakes.openai_process import RunningServer, cell, running_server
from tests.session.conftest import OpenRLM, Watcher

N_PROMPTS = 200
KILLED_AFTER = N_PROMPTS // 3
SEND = cell(
    f'replies = llm_query_batched([f"Prompt {{n}}" for n in range({N_PROMPTS})])\n'
    "print(context[:9], len(replies))"
)
FINISH = cell(
    'right = [r.startswith(f"Prompt {n} by ") for n, r in enumerate(replies)]\n'
    'FINAL(f"{len(right)} {sum(right)}")'
)
SETTINGS = Settings(mode="rlm", limits=Limits(max_subcalls=None))


class Killer(Watcher):
    """Kills a server with SIGKILL once so many sub-calls are done."""

    def __init__(self, victim: RunningServer) -> None:
        super().__init__()
        self._victim = victim

    @property
    def done(self) -> list[SubcallDone]:
        return [event for event in self.events if isinstance(event, SubcallDone)]

    def emit(self, event: Event) -> None:
        super().emit(event)
        if isinstance(event, SubcallDone) and len(self.done) == KILLED_AFTER:
            self._victim.process.kill()
            self._victim.process.wait()


def test_a_server_killed_in_a_batch_loses_and_doubles_nothing(open_rlm: OpenRLM) -> None:
    with (
        running_server(SEND, FINISH, arguments=["--copy", "one", "--latency-ms", "20"]) as one,
        running_server(SEND, FINISH, arguments=["--copy", "two", "--latency-ms", "20"]) as two,
    ):
        killer = Killer(one)
        rlm = open_rlm([one.base_url, two.base_url], settings=SETTINGS, progress=killer)
        answer = rlm.complete("a context", "Send the batch.")
    assert answer.text == f"{N_PROMPTS} {N_PROMPTS}"
    assert sorted(event.prompt for event in killer.done) == sorted(
        f"Prompt {n}" for n in range(N_PROMPTS)
    )
    assert all(event.error is None for event in killer.done)
    assert all(event.attempts == 1 for event in killer.done), "the other was asked at once"
    names = [str(event.reply).rpartition(" by ")[2] for event in killer.done]
    assert set(names[:KILLED_AFTER]) == {"one", "two"}
    assert set(names[KILLED_AFTER + 64 :]) == {"two"}, "but for replies that had come already"
