import pytest

from rlm_local.sandbox.remedies import remedy

UNKNOWN = 'see docs/sandbox.md, "Hosts that lack a layer"'


@pytest.mark.parametrize(
    ("layer", "state", "part"),
    [
        ("landlock", "landlock_create_ruleset: ENOSYS (Function not implemented)", "5.13"),
        ("landlock", "landlock_create_ruleset: EPERM (Operation not permitted)", "Docker"),
        ("landlock", "landlock_create_ruleset: EOPNOTSUPP (Operation not supported)", "lsm="),
        ("namespaces", "unshare: EPERM (Operation not permitted)", "unprivileged_userns_clone"),
        ("landlock", "landlock_create_ruleset: ENOTSUP (Operation not supported)", "lsm="),
        ("namespaces", "unshare: EACCES (Permission denied)", "gVisor"),
        ("private_root", "pivot_root: EINVAL (Invalid argument)", "booted from"),
        ("namespaces", "unshare: ENOSPC (No space left on device)", "max_user_namespaces"),
        ("namespaces", "unshare: EINVAL (Invalid argument)", "built with"),
        ("namespaces", "write(uid_map): EPERM (Operation not permitted)", "apparmor_restrict"),
        ("namespaces", "write(gid_map): EACCES (Permission denied)", "the profile in"),
        ("namespaces", "open(/proc): ENOENT (No such file or directory)", "mount /proc"),
        ("private_root", "needs namespaces, unshare: ENOSPC (No space)", "max_user_namespaces"),
        ("private_root", "mount_setattr: ENOSYS (Function not implemented)", "5.12"),
        ("private_root", "mount: EACCES (Permission denied)", "withholds mounts"),
        ("uid", "root: read(/srv/python): EACCES (Permission denied)", "can read them"),
        ("uid", "root: setresuid: EINVAL (Invalid argument)", "range of ids"),
        ("uid", "root: write(uid_map): EPERM (Operation not permitted)", "range of ids"),
        ("threads", "bounded by the address space only; RLIMIT_NPROC", "user namespace"),
        ("seccomp", "seccomp: EINVAL (Invalid argument)", "CONFIG_SECCOMP_FILTER"),
        ("rlimits", "setrlimit(9, 1): EPERM (Operation not permitted)", "setrlimit"),
    ],
)
def test_the_failing_call_and_its_errno_decide_what_mends_it(
    layer: str, state: str, part: str
) -> None:
    assert part in remedy(layer, f"degraded: {state}")


def test_a_cause_nobody_foresaw_leads_to_the_page() -> None:
    assert remedy("landlock", "off: left out by the caller") == UNKNOWN
    assert remedy("private_root", "degraded: pivot_root: EIO (Input/output error)") == UNKNOWN
