"""What the benchmarks compute from what they measure, and that they refuse what they cannot measure."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import kernel_times, latency, motion, motion_times, quality, quick, scaling, sessions, stages
from benchmarks.candidate import Group, Way, WrongAnswerError, check
from benchmarks.charts import Lines, charts
from benchmarks.html_report import report
from benchmarks.plots import write_plots
from benchmarks.tables import all_compared, bars, beneath, compared, differences, is_result, rows_of, tables
from engine.avatar.avatar import Avatar
from engine.errors import InputError, SettingError, UnavailableError
from engine.training.evaluate.report import Bar, Report
from streaming.settings import ServeSettings
from tests.engine.render.made_up import mouth_avatar


@pytest.fixture
def avatar() -> Avatar:
    return mouth_avatar(20.0)


def result(median_ms: float, size: int = 512) -> dict[str, Any]:
    return {
        "benchmark": "stages",
        "machine": {"cpu": "<fast>", "cores": 2, "system": "x"},
        "commit": "abc",
        "settings": {"size": size},
        "stages": [{"name": "drive", **stages.summary([1.0, 2.0, 3.0])}],
        "frame": {"name": "frame", **stages.summary([median_ms] * 9 + [50.0])},
    }


def test_a_summary_holds_median_tail_and_share_of_the_frame() -> None:
    made = stages.summary([8.0] * 99 + [100.0])
    assert (made["median_ms"], made["max_ms"], made["share_of_frame"]) == (8.0, 100.0, 0.2)
    assert 8.0 <= made["p95_ms"] <= made["p99_ms"] <= 100.0


def test_bars_are_missed_by_what_is_slow() -> None:
    assert stages.missed_bars(result(12.0)) == ["expected a frame's p99_ms of at most 25.0 ms, got 46.58 ms"]
    assert len(stages.missed_bars(result(16.0))) == 2
    slow = result(10.0)
    slow["stages"].append({"name": stages.TIMING, **stages.summary([0.3])})
    assert stages.missed_bars(slow)[-1] == "expected timing to take at most 1% of a frame, got 0.3 ms"
    assert sessions.missed_bars({"held": 2}) == []
    assert "got 1" in sessions.missed_bars({"held": 1})[0]


def test_two_results_are_compared_by_row_and_value() -> None:
    lines = compared(result(10.0), result(5.0))
    line = next(line for line in lines if line["row"] == "frame" and line["value"] == "median_ms")
    assert (line["before"], line["after"], line["ratio"]) == (10.0, 5.0, 0.5)
    other = {
        **result(1.0),
        "benchmark": "latency",
        "latency": [{"way": "x", "name": "own 40 ms", "median_ms": 4.0}],
    }
    lines = all_compared([other, result(10.0)], [result(5.0), other])
    assert [line["ratio"] for line in lines if line["row"] in ("stages: frame", "latency: x own 40 ms")][
        0
    ] == 0.5
    assert all_compared([other, result(10.0)], [result(5.0)]) == compared(result(10.0), result(5.0))
    elsewhere = result(5.0) | {"machine": {"cpu": "slow", "cores": 2, "system": "x"}}
    elsewhere["settings"] |= {"clock": "cpu"}
    assert differences([result(10.0), other], [result(5.0)]) == []
    assert differences([result(10.0)], [elsewhere]) == [
        "stages: not the same machine, <fast> and slow",
        "stages: not the same clock, None and cpu",
    ]
    renamed = {**other, "latency": [{"way": "y", "name": "own 40 ms", "median_ms": 4.0}]}
    with pytest.raises(InputError, match="got none that both have"):
        all_compared([other], [renamed])
    with pytest.raises(InputError, match="of one benchmark, got latency and stages"):
        all_compared([other], [result(1.0)])
    with pytest.raises(InputError, match="frame size"):
        compared(result(1.0), result(1.0, size=256))
    with pytest.raises(InputError, match="expected a result"):
        rows_of({"benchmark": "weather"})


@pytest.mark.parametrize(
    "change",
    [
        {"machine": 1},
        {"machine": {}},
        {"settings": None},
        {"stages": []},
        {"stages": [1]},
        {"frame": 2},
        {"benchmark": ["stages"]},
    ],
)
def test_what_only_looks_like_a_result_is_none(change: dict[str, Any]) -> None:
    assert is_result(result(1.0)) and not is_result([result(1.0)])
    assert not is_result({**result(1.0), **change})


def test_the_report_is_one_page_with_every_row_and_nothing_unescaped() -> None:
    page = report([result(10.0), result(12.0, size=256)])
    assert page.count("<svg") == 2 and page.count("<td class=words>drive</td>") == 2
    assert "&lt;fast&gt;" in page and "<fast>" not in page
    assert "http" not in page


def test_stages_are_timed_from_sound_to_packet(avatar: Avatar) -> None:
    seen: list[float] = []
    measured = stages.measure(avatar, size=256, seconds=1.0, progress=seen.append)
    names = {row["name"] for row in measured["stages"]}
    assert {"motion", "drive", "rasterise", "composite", "detail", "colour", "encode", stages.TIMING} <= names
    engine_ms = sum(r["median_ms"] for r in measured["stages"] if r["name"] != "encode")
    assert 0.5 * engine_ms < measured["frame"]["median_ms"] and measured["frame"]["median_ms"] > 0
    assert seen[-1] == 1.0 and seen == sorted(seen)
    parts = [row["name"] for row in measured["parts"]]
    assert parts == ["voice activity", "features", "face motion", "pose", "idle life"]
    assert [row["name"] for row in rows_of(measured)][1:6] == [f"- {part}" for part in parts]
    assert len(rows_of(measured)) == len(measured["stages"]) + len(parts) + 1
    with pytest.raises(SettingError, match="expected a clock of wall or cpu, got 'sun'"):
        stages.measure(avatar, clock="sun")


def test_kernels_are_checked_before_they_are_timed(avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = kernel_times.measure(avatar, size=64, repeats=2)
    warps = {"refine", "warp_image", "warp_features"}
    assert {row["kernel"] for row in measured["kernels"]} == {
        "rasterise",
        "composite",
        "colour",
        "frame",
    } | warps
    assert sum(row["name"] == "lookup by torch" for row in measured["kernels"]) == 1 + len(warps)
    assert all(row["median_ms"] > 0 for row in measured["kernels"])

    def wrong(image: np.ndarray, out: np.ndarray) -> None:
        out[:] = 0

    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.kernel_times.colour_reference.rgbx_to_i420", wrong)
        with pytest.raises(WrongAnswerError, match="colour"):
            kernel_times.measure(avatar, size=64, repeats=2)
    monkeypatch.setattr("benchmarks.warp_times.reference.warp_features", lambda *arguments: None)
    with pytest.raises(WrongAnswerError, match="warp_features"):
        kernel_times.measure(avatar, size=64, repeats=2)


def test_a_way_is_held_against_the_definition_as_far_as_it_says() -> None:
    want = np.full((2, 3), 0xFF102030, np.uint32)
    out = np.zeros_like(want)
    group = Group("drawing", (want,), [], want.nbytes)
    off = want + np.uint32(0x000300)
    check(group, Way("exact", lambda: np.copyto(out, want), (out,)))
    check(group, Way("near", lambda: np.copyto(out, off), (out,), off=3))
    check(group, Way("other work", lambda: None, off=None))
    for way in (
        Way("too far", lambda: np.copyto(out, off), (out,), off=2),
        Way("not exact", lambda: np.copyto(out, off), (out,)),
        Way("nothing", lambda: None, (want.copy(),)),
    ):
        with pytest.raises(WrongAnswerError, match=f"drawing by {way.name} differs"):
            check(group, way)


def test_motion_is_timed_in_every_runtime_that_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motion, "STREAMS", 2)
    seen: list[float] = []
    measured = motion.measure(frames=20, formats=(), note="idle", progress=seen.append)
    rows = {row["name"]: row for row in measured["motion"]}
    runtimes = ["NumPy, 1 on cpu", "torch, 1 on cpu", "NumPy, 2 on cpu", "torch, 2 on cpu"]
    assert list(rows) == ["motion stage", "hearing", *runtimes]
    assert all(0 < row["median_ms"] <= row["p95_ms"] for row in rows.values())
    assert list(measured["largest_differences"]) == runtimes and seen[-1] == 1.0
    assert measured["settings"]["note"] == "idle"
    assert "NumPy" in report([measured]) and rows_of(measured) == measured["motion"]
    assert {line["value"] for line in compared(measured, measured)} == {"median_ms", "p95_ms", "cpu_ms"}
    monkeypatch.setattr(motion_times, "largest_difference", lambda runtime, net: float("nan"))
    with pytest.raises(WrongAnswerError, match="NumPy, 1 on cpu differs"):
        motion.measure(frames=1, formats=())
    with pytest.raises(SettingError, match="expected cpu or cuda, got gpu"):
        motion.measure(device="gpu")


def test_motion_bars_are_for_the_stage_and_for_batches_on_a_gpu() -> None:
    def times(device: str) -> dict[str, Any]:
        rows = [("motion stage", 1, 2.0), ("torch, 1 on cpu", 1, 9.0), (f"torch, 64 on {device}", 64, 0.6)]
        named = [{"name": name, "streams": streams, "median_ms": ms} for name, streams, ms in rows]
        return {"settings": {"device": device}, "motion": named}

    assert motion_times.missed_bars(times("cpu")) == [
        "expected motion stage within 1.5 ms a frame, got 2.0 ms"
    ]
    assert "64 on cuda within 0.5 ms a stream" in motion_times.missed_bars(times("cuda"))[1]


def scaled(costs: dict[tuple[int, int], float]) -> dict[str, Any]:
    rows = [
        {
            "name": f"{size} px, {count}",
            "size": size,
            "sessions": count,
            "cpu_ms": cost,
            "p5_ms": cost,
            "p95_ms": cost,
            "cpu_ms_each": cost / count,
        }
        for (size, count), cost in costs.items()
    ]
    about = {"cpu": "x", "cores": 2, "system": "y"}
    return {
        "benchmark": "scaling",
        "machine": about,
        "commit": "abc",
        "settings": {"session_size": 512},
        "scaling": rows,
    }


def test_scaling_is_linear_or_missed() -> None:
    fine = scaled({(256, 1): 3.0, (512, 1): 6.0, (768, 1): 12.0, (512, 4): 24.0})
    assert scaling.missed_bars(fine) == []
    missed = scaling.missed_bars(scaled({(256, 1): 3.0, (512, 1): 14.0, (512, 4): 70.0}))
    assert [line.split(", got")[0] for line in missed] == [
        "expected 512 px, 1 within 12.60 ms, linear in pixels",
        "expected 512 px, 4 within 58.80 ms, linear in sessions",
    ]
    size, sessions = charts(fine)
    assert isinstance(size, Lines) and isinstance(sessions, Lines)
    assert sessions.points == [(1, 6.0), (4, 24.0)] and size.points[0] == (0.065536, 3.0)
    assert report([fine]).count("<polyline") == 2


def test_scaling_serves_every_session(avatar: Avatar) -> None:
    measured = scaling.measure(avatar, seconds=0.1, sizes=(256,), sessions=(1, 2), session_size=256)
    assert [(row["size"], row["sessions"]) for row in rows_of(measured)] == [(256, 1), (256, 2)]
    assert all(row["cpu_ms"] > 0 for row in rows_of(measured))


def test_latency_adds_up_to_what_the_look_ahead_says(avatar: Avatar) -> None:
    measured = latency.measure(avatar, size=256, seconds=1.5)
    ways = {row["way"]: {} for row in measured["latency"]}
    for row in measured["latency"]:
        ways[row["way"]][row["name"]] = row["median_ms"]
    for ahead, way in ((80.0, "80 ms ahead"), (40.0, "40 ms ahead")):
        found = ways[way]
        assert (found["own 40 ms"], found["look-ahead"]) == (40.0, ahead)
        assert found["first sample to I420"] > 40.0 + ahead and min(found["motion"], found["H.264"]) > 0
        left = latency.BUDGETS_MS[int(ahead)] - found["first sample to packet"]
        assert found["left of the budget"] == pytest.approx(left, abs=0.01)
    late = {"latency": [{"way": "80 ms ahead", "name": "left of the budget", "p99_ms": -3.0}]}
    assert latency.missed_bars(late) == [
        "expected 80 ms ahead to keep to its budget at the 99th percentile, got -3.0 ms left"
    ]


def test_times_of_a_busy_machine_are_told_from_its_own() -> None:
    for load, warned in ((None, False), (2.9, False), (6.5, True)):
        told = result(10.0)
        told["machine"]["load"] = load
        assert bool(beneath(told)) == warned
    assert "6.5 jobs wanted its 2 cores" in beneath(told)[0]
    assert not beneath({**told, "benchmark": "quality", "quality": []})


def test_what_a_page_measured_stands_beside_the_pieces() -> None:
    spread = {"p5": 120.0, "median": 135.0, "p95": 157.0}
    found = {
        "microphone_to_picture": spread,
        "server_to_picture": None,
        "sound_after_picture": {"to_webaudio": {**spread, "mean": -5.2, "p5": -22.6, "p95": 16.7}},
        "presented_per_second": 25.1,
        "shown_twice_share": 0.0013,
        "onsets": 18,
    }
    made = {
        "benchmark": "latency",
        "machine": {"cpu": "x", "cores": 2, "system": "y"},
        "commit": "abc",
        "settings": {},
        "latency": latency.browser_rows(found),
        "notes": {"in Chromium": latency.browser_notes(found)},
    }
    assert [(row["name"], row["median_ms"]) for row in rows_of(made)] == [
        ("microphone to picture", 135.0),
        ("server to picture", None),
    ]
    (chart,) = charts(made)
    assert chart.name == "latency-in-chromium" and chart.bars == [("microphone to picture", 135.0, 0.0)]
    assert list(tables(made).columns[2].cells) == ["135.0", ""]
    page = report([made])
    assert "<td></td>" in page and "None" not in page and "sound after picture -5 ms" in page
    first, second = beneath(made)
    assert "25.1 frames a second" in first and "0.1% of them shown twice; sound began 18 times" in first
    assert "sound after picture -5 ms in the mean, -23 to +17" in second


def test_quality_is_every_bar_in_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Report(
        "lips",
        ({"clip": "a"}, {"clip": "b"}),
        (Bar("opening r", 0.51, 0.4), Bar("lag", 3.0, -1, 1)),
        ("heard well",),
    )

    def evaluated(path: Path, progress: Any) -> Report:
        progress(0.5)
        progress(1.0)
        return found

    for name in ("lips", "pose"):
        monkeypatch.setattr(f"benchmarks.quality.metrics.evaluate_{name}", evaluated)
    seen: list[float] = []
    quality.measure(lips=tmp_path, pose=tmp_path, progress=seen.append)
    costs = [quality.COSTS[name] for name in ("lips", "pose")]
    assert seen == pytest.approx(
        [
            done / sum(costs)
            for done in (costs[0] / 2, costs[0], costs[0] + costs[1] / 2, sum(costs), sum(costs))
        ]
    )
    measured = quality.measure(lips=tmp_path)
    assert [(row["evaluation"], row["name"], row["met"]) for row in rows_of(measured)] == [
        ("lips", "opening r", "yes"),
        ("lips", "lag", "NO"),
    ]
    first, second = beneath(measured)
    assert first.startswith("lips: 2 clips, 0 s of processor time") and second == "lips: heard well"
    assert quality.missed_bars(measured) == ["expected lips lag -1 to 1, got 3.0"]
    with pytest.raises(SettingError, match="expected media"):
        quality.measure()


def test_media_that_are_not_there_are_told_before_others_are_evaluated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no .*missing"):
        quality.measure(lips=tmp_path, pose=tmp_path / "missing")


def test_a_missing_browser_is_told_before_anything_is_timed(
    avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.live_page.find_chromium", lambda: None)
    seen: list[float] = []
    with pytest.raises(UnavailableError, match="expected a Chromium"):
        latency.measure(avatar, size=256, seconds=0.5, browser=True, progress=seen.append)
    assert seen == []


async def test_sessions_that_are_interrupted_are_closed_before_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    class Engines:
        def __init__(self, *given: Any, standby: bool) -> None:
            pass

        async def start(self) -> None:
            done.append("start")

        async def stop(self) -> None:
            done.append("stop")

        def send(self, *given: Any) -> None:
            pass

        def phase_s(self, session: str) -> None:
            pass

    class Session:
        def __init__(self, name: str, *given: Any) -> None:
            self.name = name

        def __getattr__(self, name: str) -> Any:
            return lambda *given: None

        async def close(self) -> None:
            done.append(self.name)

    monkeypatch.setattr(sessions, "EngineWorkers", Engines)
    monkeypatch.setattr(sessions, "AvatarSession", Session)
    monkeypatch.setattr(sessions, "_read", lambda session, kind: asyncio.sleep(60))
    task = asyncio.create_task(sessions._measure(tmp_path, 1.0, ServeSettings(), (1,), lambda share: None))
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled() and done == ["start", "session-0", "stop"]


def test_a_quick_answer_has_all_parts_or_stops_in_time(
    avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("STAGES_S", 0.2), ("LATENCY_S", 1.1), ("SCALING_S", 0.05), ("REPEATS", 1)):
        monkeypatch.setattr(quick, name, value)
    monkeypatch.setattr(scaling, "WARM_UP", 1)
    monkeypatch.setattr(kernel_times, "_numba", lambda: None)  # which compiles for seconds
    monkeypatch.setattr(quick, "LIMIT_S", 600.0)
    seen: list[float] = []
    results = quick.measure(avatar, progress=seen.append)
    assert [result["benchmark"] for result in results] == ["stages", "latency", "kernels", "scaling"]
    assert seen == sorted(seen) and seen[-1] == 1.0
    page = report(results)
    assert all(f"<h2>{result['benchmark']}</h2>" in page for result in results)
    assert "frame" in bars(results[0]) and "█" in bars(results[0])
    monkeypatch.setattr(quick, "LIMIT_S", 0.0)
    assert len(quick.measure(avatar)) == 0


def test_plots_become_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    paths = write_plots([result(10.0), result(12.0), scaled({(256, 1): 3.0, (512, 1): 6.0})], tmp_path)
    assert [path.name for path in paths] == ["stages.png", "stages-2.png", "scaling-size.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_a_plot_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = pytest.importorskip("matplotlib.figure")
    old = tmp_path / "stages.png"
    old.write_text("of another day")

    def fail(figure: Any, path: Path, **given: Any) -> None:
        Path(path).write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(figure.Figure, "savefig", fail)
    with pytest.raises(KeyboardInterrupt):
        write_plots([result(10.0)], tmp_path)
    assert old.read_text() == "of another day" and list(tmp_path.iterdir()) == [old]
