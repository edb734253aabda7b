"""What all training runs do: they learn from finite numbers, and go on as they began or say why not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine.errors import InputError, SettingError
from engine.training.device import check_device
from engine.training.run import (
    begin_run,
    check_rate,
    learn,
    read_checkpoint,
    restore,
    save_checkpoint,
    write_curves,
)
from tests.full_disk import full_disk

CONFIG: dict[str, dict[str, Any]] = {"training": {"seed": 1, "workers": 2}, "net": {"widths": (4, 8)}}


def network() -> tuple[nn.Linear, list[torch.optim.Optimizer]]:
    net = nn.Linear(3, 1)
    return net, [torch.optim.AdamW(net.parameters(), 0.1)]


def save(folder: Path, net: nn.Module, optimisers: list[torch.optim.Optimizer], step: int) -> None:
    save_checkpoint(folder, CONFIG, {"model": net}, optimisers, step=step, rows=[{"loss": 0.5}])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nothing_is_learned_from_numbers_that_are_not_finite(bad: float) -> None:
    net, optimisers = network()
    before = net.weight.detach().clone()
    parameters = list(net.parameters())
    with pytest.raises(SettingError, match=r"expected a finite loss, got (nan|-?inf): train at a lower rate"):
        learn(parameters, net(torch.full((1, 3), bad)).sum(), optimisers)
    with pytest.raises(SettingError, match=r"expected a finite gradient, got (nan|inf): "):
        learn(parameters, (net.weight * 0.0).abs().sqrt().sum(), optimisers)
    assert torch.equal(net.weight, before)
    learn(parameters, net(torch.ones(1, 3)).sum(), optimisers)
    assert not torch.equal(net.weight, before)


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    net, optimisers = network()
    assert read_checkpoint(tmp_path, CONFIG, "cpu") is None
    learn(list(net.parameters()), net(torch.ones(1, 3)).sum(), optimisers)
    save(tmp_path, net, optimisers, 7)
    other, others = network()
    saved = read_checkpoint(tmp_path, CONFIG, "cpu")
    assert saved is not None and saved["step"] == 7 and saved["rows"] == [{"loss": 0.5}]
    restore(saved, {"model": other}, others)
    assert torch.equal(net.weight, other.weight)
    assert others[0].state_dict()["state"][0]["step"] == 1


def test_a_run_does_not_go_on_with_other_settings(tmp_path: Path) -> None:
    net, optimisers = network()
    save(tmp_path, net, optimisers, 7)
    for part, name, value in (("training", "seed", 2), ("net", "widths", (4, 9))):
        changed = CONFIG | {part: CONFIG[part] | {name: value}}
        with pytest.raises(SettingError, match=f"began with: {name} was .* and is .*--no-resume"):
            read_checkpoint(tmp_path, changed, "cpu")
    assert read_checkpoint(tmp_path, CONFIG | {"training": {"seed": 1, "workers": 0}}, "cpu")


@pytest.mark.parametrize(
    "damage", ["cut", "empty", "text", "folder", "another version", "another kind", "no dictionary"]
)
def test_a_checkpoint_that_cannot_be_read_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "last.pt"
    net, optimisers = network()
    save(tmp_path, net, optimisers, 7)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage in ("empty", "text"):
        path.write_text("" if damage == "empty" else "no checkpoint")
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    elif damage != "another kind":
        torch.save({"model": net.state_dict()} if damage == "another version" else [1, 2], path)
    config = CONFIG | {"net": {"codes": 512}} if damage == "another kind" else CONFIG
    with pytest.raises(InputError, match=r"expected a checkpoint of such a run .* at .*last\.pt"):
        read_checkpoint(tmp_path, config, "cpu")


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    net, optimisers = network()
    save(tmp_path, net, optimisers, 7)
    write_curves(tmp_path, ["step"], [{"step": 7.0}])
    with full_disk(), pytest.raises(InputError, match=r"can be written for .*last\.pt"):
        save(tmp_path, net, optimisers, 8)
    with full_disk(), pytest.raises(InputError, match=r"can be written for .*curves\.csv"):
        write_curves(tmp_path, ["step"], [{"step": float(step)} for step in range(1000)])
    saved = read_checkpoint(tmp_path, CONFIG, "cpu")
    assert saved is not None and saved["step"] == 7
    assert (tmp_path / "curves.csv").read_text().split() == ["step", "7"]
    assert {path.name for path in tmp_path.iterdir()} == {"last.pt", "curves.csv"}


def test_a_new_run_does_not_go_on_from_the_one_before(tmp_path: Path) -> None:
    net, optimisers = network()
    save(tmp_path, net, optimisers, 7)
    begin_run(tmp_path, CONFIG, ["step", "loss"])
    assert read_checkpoint(tmp_path, CONFIG, "cpu") is None
    assert (tmp_path / "curves.csv").read_text() == "step,loss\n"


def test_numbers_that_are_not_there_stay_empty(tmp_path: Path) -> None:
    write_curves(tmp_path, ["step", "loss"], [{"step": 1}, {"loss": 0.123456789}])
    assert (tmp_path / "curves.csv").read_text().split() == ["step,loss", "1,", ",0.12346"]


def test_rates_and_devices_that_do_not_exist_are_refused() -> None:
    check_rate(0.0)
    for rate in (-1e-3, float("nan"), float("inf")):
        with pytest.raises(SettingError, match="a learning rate of 0 or more"):
            check_rate(rate)
    check_device("cpu")
    for device in ("tpu", "cpu:x", "", "meta"):
        with pytest.raises(SettingError, match="expected cpu or cuda"):
            check_device(device)
    with pytest.raises(SettingError, match="expected a CUDA device"):
        check_device(f"cuda:{torch.cuda.device_count()}")
