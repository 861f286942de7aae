import subprocess
import zipfile
from pathlib import Path

import pytest

from benchmarks.peers.catalogue import PEERS, Peer, PeerError, peer_named
from benchmarks.peers.command import main
from benchmarks.peers.environments import environment_of, python_of, set_up


def _wheel(folder: Path) -> Path:
    """A package that says nothing."""
    path, info = folder / "quiet_peer-1.0-py3-none-any.whl", "quiet_peer-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("quiet_peer.py", "")
        out.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: quiet-peer\nVersion: 1.0\n")
        out.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        out.writestr(f"{info}/RECORD", "")
    return path


def test_every_peer_is_pinned_and_has_a_program() -> None:
    programs = Path(__file__).parents[3] / "benchmarks" / "peers" / "programs"
    for name, peer in PEERS.items():
        assert name == peer.name
        assert all("==" in package for package in peer.packages)
        assert (programs / f"{peer.program}.py").is_file()


def test_a_wrong_name_is_told_with_the_near_ones() -> None:
    with pytest.raises(PeerError, match="there is no peer rlm; there is rlms"):
        peer_named("rlm")


def test_a_peer_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match=r"python -m benchmarks\.peers setup minrlm"):
        python_of(peer_named("minrlm"), tmp_path)


def test_an_environment_is_made_once_and_again_for_other_versions(tmp_path: Path) -> None:
    peer = Peer("none", (str(_wheel(tmp_path)),), "official", "a peer of our own")
    python = set_up(peer, tmp_path)
    assert subprocess.run([python, "-c", "import quiet_peer"], check=False).returncode == 0
    made = environment_of(peer, tmp_path).stat().st_mtime_ns
    assert set_up(peer, tmp_path) == python
    assert environment_of(peer, tmp_path).stat().st_mtime_ns == made
    with pytest.raises(PeerError, match="not installed"):
        python_of(Peer("none", ("pip==1",), "official", ""), tmp_path)


def test_what_pip_cannot_install_is_told(tmp_path: Path) -> None:
    peer = Peer("none", (f"{tmp_path}/no-such.whl",), "official", "")
    with pytest.raises(PeerError, match="pip could not install"):
        set_up(peer, tmp_path)


def test_the_list_names_every_peer(capsys: pytest.CaptureFixture[str], home_here: Path) -> None:
    main(["list"])
    said = capsys.readouterr().out
    assert all(name in said for name in PEERS)
    with pytest.raises(SystemExit, match="there is no peer rlm"):
        main(["setup", "rlm"])
