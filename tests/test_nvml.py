"""What a driver tells of its cards: sound ones, faults, and no driver at all."""

import shutil
import sys
from typing import Any

import pytest

from sweep.cli import doctor
from sweep.coordinator.provenance import collect_provenance
from sweep.enums import Trainer
from sweep.errors import DeviceError
from sweep.findings import provenance
from sweep.nvml import Gpu, cards, driver_version, meter
from tests.support.fake_nvml import fake_nvml


@pytest.fixture
def _driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


def use(monkeypatch: pytest.MonkeyPatch, module: Any) -> Any:
    monkeypatch.setitem(sys.modules, "pynvml", module)
    return module


@pytest.mark.usefixtures("_driver")
def test_a_card_is_told_with_name_memory_driver_and_utilisation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = use(monkeypatch, fake_nvml())
    assert cards() == (
        Gpu(
            index=0,
            name="NVIDIA H100 80GB HBM3",
            uuid="GPU-5c89852c",
            driver="580.82.07",
            memory_used_bytes=4 * 10**9,
            memory_total_bytes=80 * 10**9,
            utilisation=0.37,
        ),
    )
    assert module.n_open == 0, "what was opened is closed"


@pytest.mark.usefixtures("_driver")
def test_a_card_that_does_not_tell_its_utilisation_tells_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(monkeypatch, fake_nvml(nvmlDeviceGetUtilizationRates="NotSupported"))
    (card,) = cards() or ()
    assert (card.utilisation, card.driver) == (None, "580.82.07")


@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize("error", ["NotSupported", "NoPermission"])
def test_a_card_that_does_not_tell_its_memory_is_sound(
    monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    use(monkeypatch, fake_nvml(nvmlDeviceGetMemoryInfo=error))
    (card,) = cards() or ()
    assert (card.memory_total_bytes, card.utilisation) == (None, 0.37)


@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize("error", ["LibraryNotFound", "DriverNotLoaded"])
def test_without_a_driver_there_is_nothing_to_tell(
    monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    use(monkeypatch, fake_nvml(nvmlInit=error))
    assert cards() is None


def test_without_its_program_a_driver_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    use(monkeypatch, None)  # importing it would fail
    assert cards() is None


@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize(
    "call", ["nvmlInit", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetUtilizationRates"]
)
def test_a_driver_at_fault_is_told_and_recorded_and_closed(
    monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    module = use(monkeypatch, fake_nvml(**{call: "GpuIsLost"}))
    with pytest.raises(DeviceError, match="reports a fault: NVML: GpuIsLost"):
        cards()
    assert "GpuIsLost" in collect_provenance(Trainer.REFERENCE)["gpus"]
    assert module.n_open == 0


@pytest.mark.usefixtures("_driver")
def test_the_utilisation_of_one_card_is_asked_over_and_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = use(monkeypatch, fake_nvml(n_cards=2))
    ask = meter("5c89852c")
    assert (ask(), ask()) == (0.37, 0.37)
    assert module.n_open == 1, "it stays open"
    assert meter("of-another-card")() is None


@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("nvmlInit", "LibraryNotFound"),
        ("nvmlInit", "GpuIsLost"),
        ("nvmlDeviceGetUtilizationRates", "NotSupported"),
        ("nvmlDeviceGetUtilizationRates", "GpuIsLost"),
    ],
)
def test_a_worker_goes_on_where_its_driver_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, call: str, error: str
) -> None:
    use(monkeypatch, fake_nvml(**{call: error}))
    assert meter("5c89852c")() is None


@pytest.mark.usefixtures("_driver")
def test_a_worker_goes_on_where_nvmls_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, None)
    assert (meter("5c89852c")(), driver_version()) == (None, None)


@pytest.mark.usefixtures("_driver")
def test_the_version_of_the_driver_is_told_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = use(monkeypatch, fake_nvml())
    assert (driver_version(), module.n_open) == ("580.82.07", 0)
    for call, error in (
        ("nvmlInit", "LibraryNotFound"),
        ("nvmlInit", "GpuIsLost"),
        ("nvmlSystemGetDriverVersion", "GpuIsLost"),
    ):
        use(monkeypatch, fake_nvml(**{call: error}))
        assert driver_version() is None


@pytest.mark.usefixtures("_driver")
def test_a_study_records_the_cards_and_doctor_shows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, fake_nvml(n_cards=2))
    recorded = collect_provenance(Trainer.FUSED)["gpus"]
    assert [gpu["index"] for gpu in recorded] == [0, 1]
    found = doctor._cards()
    assert found.ok is True
    assert found.said.splitlines()[1] == (
        "1: NVIDIA H100 80GB HBM3, 3.7 of 75 GiB in use, 37% busy, driver 580.82.07"
    )
    assert provenance._cards(recorded[:1]) == "NVIDIA H100 80GB HBM3, 80 GB, driver 580.82.07"


@pytest.mark.usefixtures("_driver")
def test_doctor_tells_of_a_driver_at_fault_and_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, fake_nvml(nvmlInit="GpuIsLost"))
    found = doctor._cards()
    assert (found.ok, found.exit_code) == (False, DeviceError.exit_code)
    use(monkeypatch, fake_nvml(nvmlInit="LibraryNotFound"))
    assert doctor._cards().ok is None
