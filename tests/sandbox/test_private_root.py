"""Which mounts and links a private root is made of. What it keeps out: tests/sandbox/attacks."""

from pathlib import Path

from rlm_local.sandbox.child.private_root import plan_root


def test_a_folder_below_another_needs_no_mount_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "ab").mkdir()
    plan = plan_root((f"{tmp_path}/a/b", f"{tmp_path}/a", f"{tmp_path}/ab", f"{tmp_path}/a/"))
    assert plan.shown == [f"{tmp_path}/a", f"{tmp_path}/ab"]
    assert plan.links == {}


def test_links_on_the_way_are_kept_and_their_targets_shown(tmp_path: Path) -> None:
    (tmp_path / "usr" / "lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "local").symlink_to(tmp_path / "lib")
    plan = plan_root((f"{tmp_path}/local",))
    assert plan.shown == [f"{tmp_path}/usr/lib"]
    assert plan.links == {f"{tmp_path}/lib": "usr/lib", f"{tmp_path}/local": f"{tmp_path}/lib"}


def test_a_link_that_a_shown_folder_holds_is_not_made_again(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "one").mkdir()
    (tmp_path / "lib" / "two").symlink_to("one")
    plan = plan_root((f"{tmp_path}/lib", f"{tmp_path}/lib/two"))
    assert plan.shown == [f"{tmp_path}/lib"]
    assert plan.links == {}


def test_dots_are_followed_as_the_kernel_does(tmp_path: Path) -> None:
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "near").symlink_to("far/deep")
    (tmp_path / "far" / "lib").mkdir()
    plan = plan_root((f"{tmp_path}/near/../lib",))
    assert plan.shown == [f"{tmp_path}/far/lib"]


def test_paths_that_lead_nowhere_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "gone").symlink_to("nothing")
    names = ("round", "gone", "absent", "gone/further")
    assert plan_root(tuple(f"{tmp_path}/{name}" for name in names)).shown == []


def test_what_a_listing_of_the_root_gives_is_known(tmp_path: Path) -> None:
    plan = plan_root((str(tmp_path),))
    assert plan.top_names == {tmp_path.parts[1]}
    plan.has_scratch = True
    assert plan.top_names == {tmp_path.parts[1], "scratch"}
