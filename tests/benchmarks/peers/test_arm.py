import argparse
import sys
import venv
from pathlib import Path

import pytest

from benchmarks.peers.arm import peer_answerer
from benchmarks.peers.catalogue import PEERS, Peer, PeerError
from benchmarks.peers.environments import environment_of
from benchmarks.tasks.command import main
from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.outcomes import read_outcomes

ENDPOINT = ["--base-url", "http://127.0.0.1:9/v1", "--root", "root"]


def _installed(home: Path, name: str) -> Peer:
    """The peer's environment without its packages, so that its program fails."""
    peer = PEERS[name]
    environment = environment_of(peer, home / "bench")
    venv.create(environment)
    lines = (*peer.packages, "python {}.{}".format(*sys.version_info[:2]))
    (environment / "ready").write_text("".join(f"{line}\n" for line in lines))
    return peer


def test_a_peer_needs_an_endpoint_and_its_environment(home_here: Path) -> None:
    arguments = argparse.Namespace(base_url=None, root=None, max_seconds=None)
    with pytest.raises(PeerError, match="setup rlms"):
        peer_answerer("rlms", arguments)
    _installed(home_here, "rlms")
    with pytest.raises(PeerError, match="give --base-url and --root"):
        peer_answerer("rlms", arguments)


def test_a_peer_that_fails_is_scored_0_with_its_reason(
    data: DataFolder, home_here: Path, tmp_path: Path
) -> None:
    peer = _installed(home_here, "minrlm")
    out = tmp_path / "out.jsonl"
    words = ["--data", f"words={data.find('words')}"]
    run = ["run", "vt", "--tokens", "2K", "--seeds", "1", "--out", str(out), *words]
    main([*run, "--arm", "peer:minrlm", *ENDPOINT])
    (done,) = read_outcomes(out)
    assert (done.arm, done.score) == ("peer:minrlm", 0.0)
    assert done.error == "ModuleNotFoundError: No module named 'minrlm'"
    assert done.facts["packages"] == list(peer.packages)
    main([*run, "--arm", "peer:minrlm", *ENDPOINT])
    assert len(list(read_outcomes(out))) == 1
    main([*run, "--arm", "peer:minrlm", *ENDPOINT, "--again"])
    assert [one.name for one in read_outcomes(out)] == [done.name] * 2
