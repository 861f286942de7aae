from tests.planner.machine_on_disk import MachineOnDisk

_KIB, _GIB = 1 << 10, 1 << 30


def test_a_container_of_cgroup_v2_has_its_limit_less_what_it_cannot_give_back(
    machine: MachineOnDisk,
) -> None:
    machine.write("proc/self/cgroup", "0::/box/inner\n")
    machine.write("cgroup/box/memory.max", str(8 * _GIB))
    machine.write("cgroup/box/memory.current", str(6 * _GIB))
    machine.write(
        "cgroup/box/memory.stat", f"anon 1\ninactive_file {3 * _GIB}\nactive_file {1 * _GIB}\n"
    )
    machine.write("cgroup/box/inner/memory.max", "max\n")
    machine.write("cgroup/box/cpu.max", "150000 100000\n")

    found = machine.probe()
    assert found.ram_total_bytes == 8 * _GIB
    assert found.ram_available_bytes == 6 * _GIB
    assert found.cpu_quota == 1.5


def test_a_container_that_sees_its_own_group_as_the_mount_is_limited_too(
    machine: MachineOnDisk,
) -> None:
    machine.write("proc/self/cgroup", "0::/kubepods/pod1\n")
    machine.write("cgroup/memory.max", str(4 * _GIB))
    machine.write("cgroup/memory.current", str(1 * _GIB))

    assert machine.probe().ram_available_bytes == 3 * _GIB


def test_a_container_of_cgroup_v1_is_limited_too(machine: MachineOnDisk) -> None:
    machine.write("proc/self/cgroup", "9:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n")
    machine.write("cgroup/memory/docker/abc/memory.limit_in_bytes", str(8 * _GIB))
    machine.write("cgroup/memory/docker/abc/memory.usage_in_bytes", str(5 * _GIB))
    machine.write("cgroup/memory/docker/abc/memory.stat", f"total_inactive_file {2 * _GIB}\n")
    machine.write("cgroup/cpu/docker/abc/cpu.cfs_quota_us", "400000")
    machine.write("cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000")

    found = machine.probe()
    assert found.ram_available_bytes == 5 * _GIB
    assert found.cpu_quota == 4


def test_the_number_cgroup_v1_writes_for_no_limit_is_none(machine: MachineOnDisk) -> None:
    machine.write("cgroup/memory/memory.limit_in_bytes", "9223372036854771712")
    machine.write("cgroup/memory/memory.usage_in_bytes", "1000")
    machine.write("cgroup/cpu/cpu.cfs_quota_us", "-1")
    machine.write("cgroup/cpu/cpu.cfs_period_us", "100000")

    found = machine.probe()
    assert found.ram_total_bytes == 24684092 * _KIB
    assert found.cpu_quota is None
