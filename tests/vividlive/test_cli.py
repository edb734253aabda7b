"""The command line does what the contract says, and answers bad input with exit code 2 and one line."""

import json
import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from engine.conventions import ARKIT_INDEX, SAMPLE_RATE
from engine.motion.motion_file import COLUMNS, read_motion
from engine.motion.values import Motion
from kernels.build import backend

ASSETS = Path(__file__).parents[2] / "engine" / "assets"
BENCH_LIKE = Path(__file__).parents[2] / "benchmarks" / "results" / "lossy_link.json"
HOPPER = ASSETS / "portraits" / "grace_hopper.jpg"
Command = Callable[..., "Result"]  # type: ignore[name-defined]  # noqa: F821


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second and a bit of the demo speech: 1.01 s are 26 frames."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    with wave.open(str(ASSETS / "speech" / "hello.wav"), "rb") as whole:
        rate = whole.getframerate()
        data = whole.readframes(int(1.01 * rate))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(data)
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from vividlive import Avatar

    path = tmp_path_factory.mktemp("avatar") / "hopper.avatar"
    Avatar.from_photo(HOPPER, rights="public-domain").save(path)
    return path


def test_avatar_writes_bundle_sheet_and_report(vividlive: Command, tmp_path: Path) -> None:
    out, sheet, report = tmp_path / "a.avatar", tmp_path / "a.png", tmp_path / "a.json"
    done = vividlive(
        "avatar", HOPPER, "--out", out, "--rights", "public-domain", "--sheet", sheet, "--report", report
    )
    assert done.code == 0, done.err
    assert out.stat().st_size > 100_000
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert json.loads(report.read_text())["rights"] == "public-domain"


def test_rights_that_were_not_stated_warn(vividlive: Command, tmp_path: Path) -> None:
    done = vividlive("avatar", HOPPER, "--out", tmp_path / "a.avatar")
    assert done.code == 0
    assert "--rights" in done.err


def test_render_makes_a_video_with_its_sound(
    vividlive: Command, bundle: Path, speech: Path, tmp_path: Path
) -> None:
    out = tmp_path / "v.mp4"
    done = vividlive(
        "render", "--avatar", bundle, "--audio", speech, "--out", out, "--size", 256, "--json", "-"
    )
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert summary["frames"] == 26
    assert {"motion", "drive", "rasterise", "composite", "colour"} <= set(summary["stage_ms"])
    with av.open(str(out)) as container:
        assert "AI-generated" in container.metadata["comment"]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        container.seek(0)
        sound = sum(block.samples for block in container.decode(audio=0))
    assert len(frames) == 26 and frames[0].shape == (256, 256, 3)
    assert sound == pytest.approx(26 * 1920, abs=2 * 1024)
    assert np.abs(frames[-1].astype(int) - frames[0]).max() > 20, "nothing moved"


def test_motion_writes_one_row_a_frame_and_can_be_drawn(
    vividlive: Command, bundle: Path, speech: Path, tmp_path: Path
) -> None:
    table, out = tmp_path / "m.csv", tmp_path / "v.mp4"
    assert vividlive("motion", "--audio", speech, "--out", table, "--seed", 3).code == 0
    assert table.read_text().splitlines()[0] == ",".join(COLUMNS)
    with av.open(str(speech)) as container:
        seconds = float(container.duration) / 1e6
    assert len(read_motion(table)) == int(np.ceil(seconds * SAMPLE_RATE / 640))
    done = vividlive("render", "--avatar", bundle, "--motion", table, "--out", out, "--size", 256)
    assert done.code == 0, done.err
    with av.open(str(out)) as container:
        assert not container.streams.audio
        assert len(list(container.decode(video=0))) == 26


def test_the_same_seed_gives_the_same_table(vividlive: Command, speech: Path, tmp_path: Path) -> None:
    tables = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        vividlive("motion", "--audio", speech, "--out", tmp_path / name, "--seed", seed)
        tables.append((tmp_path / name).read_text())
    assert tables[0] == tables[1] != tables[2]


def test_manner_and_mood_reach_the_table(vividlive: Command, speech: Path, tmp_path: Path) -> None:
    def table(*words: object) -> list[Motion]:
        done = vividlive("motion", "--audio", speech, "--out", tmp_path / "m.csv", *words)
        assert done.code == 0, done.err
        return read_motion(tmp_path / "m.csv")

    cheerful = table("--mood", 1, "--head-motion", 0, "--expressiveness", 0)
    assert cheerful[0].blendshapes[ARKIT_INDEX["mouthSmileLeft"]] == pytest.approx(0.42, abs=1e-4)
    assert not any(motion.pose.any() for motion in cheerful)
    mumbled, natural = (
        max(motion.blendshapes[ARKIT_INDEX["jawOpen"]] for motion in motions)
        for motions in (cheerful, table())
    )
    assert mumbled < 0.8 * natural
    sad = table("--mood", "-1")
    assert sad[0].blendshapes[ARKIT_INDEX["mouthFrownLeft"]] == pytest.approx(0.45, abs=1e-4)


def test_a_mood_is_seen_in_the_rendered_video(
    vividlive: Command, bundle: Path, speech: Path, tmp_path: Path
) -> None:
    pictures = []
    for mood in (0, -1):
        out = tmp_path / f"{mood}.mp4"
        words = ("render", "--avatar", bundle, "--audio", speech, "--out", out, "--size", 256, "--mood", mood)
        assert vividlive(*words).code == 0
        with av.open(str(out)) as container:
            pictures.append(next(container.decode(video=0)).to_ndarray(format="gray").astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() > 20


def test_less_look_ahead_gives_another_mouth_and_the_same_life(
    vividlive: Command, speech: Path, tmp_path: Path
) -> None:
    tables = []
    for look_ahead_ms in (80, 40):
        table = tmp_path / f"{look_ahead_ms}.csv"
        words = ("motion", "--audio", speech, "--out", table, "--look-ahead-ms", look_ahead_ms)
        assert vividlive(*words).code == 0
        tables.append(read_motion(table))
    jaws = [[motion.blendshapes[ARKIT_INDEX["jawOpen"]] for motion in motions] for motions in tables]
    assert jaws[0] != jaws[1] and np.corrcoef(jaws)[0, 1] > 0.7


def test_doctor_says_which_kernels_run(vividlive: Command) -> None:
    done = vividlive("doctor", "--json", "-")
    assert done.code == 0
    findings = json.loads(done.out)
    assert findings["kernels"].startswith(("cpu", "portable"))
    assert "missing" not in findings["weights"]


def test_no_words_show_the_help(vividlive: Command) -> None:
    done = vividlive()
    assert done.code == 0 and "render" in done.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["render", "--bogus"], "--bogus"),
        (["sing"], "sing"),
        (["render", "--photo", HOPPER, "--audio", "none.wav", "--out", "v.mp4"], "none.wav"),
        (["render", "--photo", HOPPER, "--audio", HOPPER, "--out", "v.mp4"], "without an audio track"),
        (["render", "--photo", HOPPER, "--out", "v.mp4"], "--audio"),
        (["render", "--audio", "a.wav", "--out", "v.mp4"], "--photo"),
        (["render", "--avatar", "a", "--face", "3", "--audio", "a", "--out", "v"], "--face with --photo"),
        (["render", "--photo", "p", "--weights", "w", "--audio", "a", "--out", "v"], "--quality neural, got"),
        (["webcam", "--avatar", "a", "--face", "3"], "--face with --photo"),
        (["bench", "report", BENCH_LIKE, "--out", "r.html"], "expected a result"),
        (["render", "--photo", HOPPER, "--audio", "a", "--out", "v.mp4", "--size", "500"], "256, 512, 768"),
        (
            ["render", "--photo", "p", "--audio", "a", "--out", "v", "--quality", "neural", "--runtime", "x"],
            "openvino",
        ),
        (["render", "--photo", "p", "--audio", "a", "--out", "v", "--runtime", "torch"], "without --runtime"),
        (["render", "--avatar", "a", "--audio", "a", "--out", "v", "--rights", "self"], "without --rights"),
        (["render", "--photo", "p", "--motion", "m", "--out", "v", "--seed", "7"], "without --seed"),
        (
            ["render", "--photo", "p", "--motion", "m", "--out", "v", "--look-ahead-ms", "40"],
            "without --look-ahead-ms",
        ),
        (["evaluate", "head", "x", "--look-ahead-ms", "40"], "head without --look-ahead-ms"),
        (["evaluate", "motion", "x", "--reference-curves", "c", "--plots", "p"], "without --plots"),
        (["evaluate", "lips", "clips", "--quality", "neural"], "video alone"),
        (["evaluate", "video", "clips", "--quality", "best"], "geometric or neural"),
        (["train", "renderer-pairs", "--out", "v", "--people", "0"], "more than 0 people"),
        (["train", "renderer", "--data", "none", "--out", "v", "--steps", "0"], "more than 0 steps"),
        (["render", "--photo", HOPPER, "--audio", "a", "--out", "v", "--quality", "best"], "geometric"),
        (["render", "--avatar", HOPPER, "--motion", HOPPER, "--out", "v.mp4"], "motion table"),
        (["motion", "--audio", "none.wav", "--out", "m.csv"], "none.wav"),
        (["motion", "--audio", "a.wav", "--out", "m.csv", "--seed", "-1"], "--seed"),
        (["render", "--photo", HOPPER, "--audio", "a", "--out", "v", "--seed", "-1"], "--seed"),
        (["webcam", "--seed", "-1"], "--seed"),
        (["motion", "--audio", "a", "--out", "m.csv", "--mood", "1.5"], "mood from -1 to 1, got 1.5"),
        (["motion", "--audio", "a", "--out", "m.csv", "--mood", "glad"], "--mood"),
        (["motion", "--audio", "a", "--out", "m.csv", "--mood", "nan"], "mood from -1 to 1, got nan"),
        (
            ["render", "--photo", "p", "--audio", "a", "--out", "v", "--mood", "-2"],
            "mood from -1 to 1, got -2",
        ),
        (
            ["render", "--photo", "p", "--audio", "a", "--out", "v", "--head-motion", "3"],
            "head_motion from 0 to 2",
        ),
        (["render", "--photo", "p", "--motion", "m", "--out", "v", "--mood", "1"], "--mood with --audio"),
        (["webcam", "--microphone", "none", "--expressiveness", "-1"], "expressiveness from 0 to 2"),
        (["webcam", "--microphone", "none", "--mood", "1.01"], "mood from -1 to 1"),
        (["train", "head-pose", "--data", "none", "--out", "x", "--seed", "-1"], "--seed"),
        (["motion", "--audio", HOPPER, "--out", "m", "--look-ahead-ms", "60"], "80 or 40 ms"),
        (["render", "--photo", HOPPER, "--audio", "a", "--out", "v", "--look-ahead-ms", "0"], "80 or 40 ms"),
        (["track", "none.mp4", "--out", "m.csv"], "none.mp4"),
        (["track", "--out", "m.csv"], "one of a video and --camera"),
        (["track", "v.mp4", "--seconds", "3", "--out", "m.csv"], "--seconds with --camera"),
        (["track", "--camera", "none.mp4", "--out", "m.csv"], "none.mp4"),
        (["avatar", "none.jpg", "--out", "a.avatar"], "none.jpg"),
        (["avatar", "p", "--out", "a", "--rights", "mine"], "'--rights': 'mine' is not one of"),
        (["serve", "--latency-ms", "60"], "expected a latency of at least"),
        (["serve", "--size", "500"], "256, 512 or 768"),
        (["serve", "--port", "99999"], "65535"),
        (["train", "synth-speech", "--out", "x", "--hours", "0"], "hours"),
        (["train", "face-motion", "--data", "none", "--out", "x"], "none"),
        (["evaluate", "smell", "x"], "lips"),
        (["evaluate", "lips", "x", "--look-ahead-ms", "60"], "80 or 40 ms"),
        (["evaluate", "lips", "x", "--weights", "w"], "with motion, or with video"),
        (["evaluate", "faces", "x", "--plots", "p"], "motion, lips or pose"),
        (["evaluate", "motion", "x"], ".phones"),
        (["evaluate", "lips", "x", "--sounds", "y"], "with silence alone"),
        (["evaluate", "contact", HOPPER], "--speech"),
        (["evaluate", "lips", "x", "--speech", "y"], "--speech with contact"),
        (["evaluate", "contact", HOPPER, "--speech", "none"], "synth-speech"),
        (["evaluate", "silence", HOPPER, "--sounds", "none"], "recordings without speech"),
        (
            ["train", "synth-speech", "--out", "x", "--synthesisers", "sam"],
            "kokoro, accented, flite, espeak, festival",
        ),
        (["bench", "stages", "--size", "500"], "256, 512, 768"),
        (["bench", "sessions", "--size", "500"], "256, 512, 768"),
        (["bench", "kernels", "--size", "300"], "256, 512, 768"),
        (["bench", "stages", "--weights", "x"], "geometric without --weights"),
        (["bench", "stages", "--runtime", "torch", "--precision", "bf16"], "without --runtime, --precision"),
        (["bench", "stages", "--avatar", HOPPER], "avatar bundle"),
        (["bench", "compare", HOPPER, HOPPER], "expected a result"),
        (["bench", "compare", BENCH_LIKE, BENCH_LIKE], "results/lossy_link.json"),
        (["bench", "sing"], "sing"),
        (["bench", "--json", "all.json"], "--quick or a benchmark's name"),
        (["bench", "--json", "all.json", "kernels"], "after the benchmark's name, kernels"),
        (["bench", "stages", "--backend", "cuda", "--clock", "cpu"], "without --clock"),
        (["bench", "stages", "--backend", "cuda", "--weights", "x"], "without --weights"),
        (["bench", "stages", "--backend", "cuda", "--quality", "best"], "geometric or neural, got 'best'"),
        (["train", "export-motion", "--out", "x", "--format", "tflite"], "onnx, openvino, aoti"),
        (["bench", "motion", "--device", "gpu"], "expected cpu or cuda"),
        (["webcam", "--width", "1279"], "got 1279 x 720"),
        (["webcam", "--backend", "film"], "auto, pyvirtualcam or pipewire"),
        (["webcam", "--size", "500"], "size"),
        (["webcam", "--avatar", "a", "--rights", "self"], "--avatar without --rights"),
        (["webcam", "--rights", "self"], "bundled portrait without --rights"),
        (["webcam", "--audio", "a.wav", "--microphone", "desk"], "--audio without --microphone"),
        (["webcam", "--microphone", "none", "--face-camera", "/dev/video99"], "/dev/video99"),
    ],
)
def test_bad_words_are_answered_in_one_line(
    vividlive: Command, words: list[object], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = vividlive(*words)
    assert done.code == 2, done
    lines = [
        line for line in done.err.splitlines() if not line.startswith("warning") and " INFO " not in line
    ]
    assert len(lines) == 1 and lines[0].startswith("error: ") and says in lines[0]
    assert not list(tmp_path.iterdir()), "a file was left behind"


@pytest.mark.parametrize("command", ["render", "serve"])
def test_kernels_that_do_not_exist_are_answered_in_one_line(
    vividlive: Command,
    bundle: Path,
    speech: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    words = {
        "render": ["--avatar", bundle, "--audio", speech, "--out", tmp_path / "v.mp4"],
        "serve": ["--avatar", bundle, "--port", "0"],
    }
    monkeypatch.setenv("VIVIDLIVE_KERNELS", "foo")
    monkeypatch.setenv("VIVIDLIVE_DATA_DIR", str(tmp_path))
    backend.cache_clear()
    done = vividlive(command, *words[command])
    backend.cache_clear()
    assert done.code == 2
    assert done.err == "error: expected VIVIDLIVE_KERNELS to be auto, cpu or portable, got 'foo'\n"


def test_another_file_as_avatar_is_refused(vividlive: Command, speech: Path, tmp_path: Path) -> None:
    done = vividlive("render", "--avatar", HOPPER, "--audio", speech, "--out", tmp_path / "v.mp4")
    assert done.code == 2 and "avatar bundle" in done.err
