"""The comparison of motion with timed speech, on curves whose agreement is known."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import wavfile

from engine.conventions import ARKIT_INDEX, ARKIT_NAMES, FRAME_RATE, FRAME_SAMPLES, SAMPLE_RATE
from engine.errors import InputError, SettingError
from engine.motion.motion_file import write_motion
from engine.motion.values import Motion
from engine.training.evaluate import agreement, motion
from engine.training.evaluate.agreement import Reference, compare_mouths
from engine.training.evaluate.align import Aligner, main, read_festvox, spell
from engine.training.evaluate.closures import find_bilabials, find_closures, find_speech, score_closures
from engine.training.evaluate.motion import close_lips, evaluate_captured, evaluate_motion, frame_means
from engine.training.evaluate.spoken import find_sets, read_phones, read_spoken, without_gaps, write_phones
from engine.training.phones import PAUSE
from engine.training.visemes import opening
from engine.training.voices import Phone

SPEECH = tuple(
    Phone(*item)
    for item in (
        (PAUSE, 0.0, 0.4),
        ("a", 0.4, 0.8),
        ("b", 0.8, 0.92),
        ("a", 0.92, 1.3),
        ("p", 1.3, 1.36),
        ("m", 1.36, 1.44),
        ("a", 1.44, 1.8),
        ("f", 1.8, 1.9),
        ("a", 1.9, 2.2),
        (PAUSE, 2.2, 2.8),
        ("m", 2.8, 2.9),
        ("a", 2.9, 3.2),
    )
)
FRAMES = 80
MIDDLES = (np.arange(FRAMES) + 0.5) / FRAME_RATE


def opening_with(*shut: tuple[float, float]) -> np.ndarray:
    """Open by 0.3 but for the given times and the pauses."""
    curve = np.full(FRAMES, 0.3, np.float32)
    for start, end in (*shut, (0.0, 0.4), (2.2, 2.8)):
        curve[(start <= MIDDLES) & (end > MIDDLES)] = 0.0
    return curve


ALL_SHUT = ((0.8, 0.92), (1.3, 1.44), (2.8, 2.9))


def test_neighbouring_bilabials_are_one() -> None:
    assert find_bilabials(SPEECH) == [(0.8, 0.92), (1.3, 1.44), (2.8, 2.9)]
    assert find_speech(SPEECH) == [(0.4, 2.2), (2.8, 3.2)]


def test_closures_on_every_bilabial_score_1() -> None:
    score = score_closures(opening_with(*ALL_SHUT), SPEECH, 0.02)
    assert (score.matched, score.closures, score.bilabials) == (3, 3, 3)
    assert score.f1 == 1.0


def test_a_missing_closure_lowers_recall_alone() -> None:
    score = score_closures(opening_with(*ALL_SHUT[:2]), SPEECH, 0.02)
    assert (score.precision, score.recall) == (1.0, pytest.approx(2 / 3))
    assert score.f1 == pytest.approx(0.8)


def test_a_closure_without_a_bilabial_lowers_precision_alone() -> None:
    score = score_closures(opening_with(*ALL_SHUT, (1.8, 1.9)), SPEECH, 0.02)
    assert (score.precision, score.recall) == (0.75, 1.0)


@pytest.mark.parametrize(("late_s", "matched"), [(0.04, 3), (-0.04, 3), (0.16, 0), (-0.16, 0)])
def test_closures_may_be_40_ms_off(late_s: float, matched: int) -> None:
    speech = tuple(Phone(phone.ipa, phone.start_s, phone.end_s) for phone in SPEECH[:9])
    shut = [(start + late_s, end + late_s) for start, end in ALL_SHUT[:2]]
    assert score_closures(opening_with(*shut), speech, 0.02).matched == min(matched, 2)


def test_two_closures_share_no_bilabial() -> None:
    score = score_closures(opening_with((0.76, 0.8), (0.88, 0.92)), SPEECH[:4], 0.02)
    assert (score.matched, score.closures, score.bilabials) == (1, 2, 1)


def test_lips_that_rest_beside_a_pause_are_not_wrong() -> None:
    late = opening_with(*ALL_SHUT, (0.4, 0.5), (2.1, 2.2))
    assert score_closures(late, SPEECH, 0.02).precision == 1.0
    beside = [item for item in find_closures(late, find_speech(SPEECH), 0.02) if item[2]]
    assert len(beside) == 3  # the m after the pause among them


def wave(seconds: float) -> np.ndarray:
    """A smooth, never repeating curve from 0 to about 0.5, a value a frame."""
    times = np.arange(int(seconds * FRAME_RATE)) / FRAME_RATE
    return (0.25 + 0.12 * np.sin(2 * np.pi * 1.3 * times) + 0.12 * np.sin(2 * np.pi * 3.1 * times)).astype(
        np.float32
    )


def mouths(curve: np.ndarray) -> np.ndarray:
    shapes = np.zeros((len(curve), len(ARKIT_NAMES)), np.float32)
    shapes[:, ARKIT_INDEX["jawOpen"]] = curve
    shapes[:, ARKIT_INDEX["mouthPucker"]] = 1 - curve
    return shapes


def reference(curve: np.ndarray) -> Reference:
    visemes = np.zeros((len(curve), 15), np.float32)
    visemes[:, 10] = curve  # aa
    end = len(curve) / FRAME_RATE
    return Reference((Phone("a", 0.0, end),), mouths(curve), visemes, np.ones(len(curve), np.bool_))


@pytest.fixture
def plain_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for openfacefx's table: the viseme aa is jawOpen, U is mouthPucker."""
    table = np.zeros((15, len(ARKIT_NAMES)), np.float32)
    table[10, ARKIT_INDEX["jawOpen"]] = table[14, ARKIT_INDEX["mouthPucker"]] = 1.0
    monkeypatch.setattr(agreement, "openfacefx_shapes", lambda visemes: visemes @ table)


@pytest.mark.usefixtures("plain_table")
def test_equal_mouths_agree_wholly() -> None:
    curve = wave(8)
    score = compare_mouths([reference(curve), reference(curve[::-1])], [mouths(curve), mouths(curve[::-1])])
    for name in ("jaw_r", "opening_r", "width_r", "viseme_r", "sd_ratio", "r_lag"):
        assert score[name] == pytest.approx(1.0), name
    assert score["lag_frames"] == 0


@pytest.mark.usefixtures("plain_table")
@pytest.mark.parametrize("lag", [-2, 3])
def test_a_shifted_mouth_has_that_lag(lag: int) -> None:
    curve = wave(8)
    score = compare_mouths([reference(curve)], [mouths(np.roll(curve, lag))])
    assert score["lag_frames"] == lag
    assert float(score["r_lag"] or 0) > 0.95 > float(score["jaw_r"] or 0)  # the ends roll over


@pytest.mark.usefixtures("plain_table")
def test_a_smaller_mouth_has_a_smaller_spread_and_the_same_r() -> None:
    curve = wave(4)
    score = compare_mouths([reference(curve)], [mouths(0.5 * curve)])
    assert (score["jaw_r"], score["sd_ratio"]) == (pytest.approx(1.0), pytest.approx(0.5))


@pytest.mark.usefixtures("plain_table")
def test_frames_outside_speech_do_not_count() -> None:
    curve = wave(4)
    spoiled = curve.copy()
    spoiled[50:] = 0.9
    real = reference(curve)
    real.within[50:] = False
    assert compare_mouths([real], [mouths(spoiled)])["jaw_r"] == pytest.approx(1.0)


def test_frame_means_weigh_the_ends_half() -> None:
    ramp = np.arange(13, dtype=np.float32)[:, None]
    assert frame_means(ramp, 3)[:, 0].tolist() == [2.0, 6.0, 10.0]


def test_pressed_lips_meet_and_leave_the_jaw() -> None:
    shapes = mouths(np.full(2, 0.4, np.float32))
    shapes[:, ARKIT_INDEX["mouthUpperUpLeft"]] = 0.2
    visemes = np.zeros((2, 15), np.float32)
    visemes[1, 1] = 1.0  # PP
    closed = close_lips(shapes, visemes)
    assert opening(closed) == pytest.approx([0.46, 0.0])
    assert closed[:, ARKIT_INDEX["jawOpen"]] == pytest.approx([0.4, 0.4])


def test_phones_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_phones(tmp_path / "x.phones", SPEECH)
    assert read_phones(tmp_path / "x.phones") == SPEECH
    (tmp_path / "y.phones").write_text("0.1\t0.3\taɪ\n0.3\t0.4\tt͡ʃ\n", "utf-8")
    assert [phone.ipa for phone in read_phones(tmp_path / "y.phones")] == ["a", "ɪ", "t", "ʃ"]
    assert read_phones(tmp_path / "y.phones")[1].start_s == pytest.approx(0.2)


@pytest.mark.parametrize("text", ["", "0.1\t0.2\n", "0.2\t0.1\ta\n", "0\t0.5\ta\n0.4\t0.6\tb\n", "x\t1\ta\n"])
def test_broken_phones_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.phones").write_text(text, "utf-8")
    with pytest.raises(InputError, match="expected"):
        read_phones(tmp_path / "x.phones")


def test_gaps_become_pauses() -> None:
    whole = without_gaps((Phone("a", 0.1, 0.2), Phone(PAUSE, 0.2, 0.3), Phone("b", 0.4, 0.5)), 0.5)
    assert [(phone.ipa, phone.start_s, phone.end_s) for phone in whole] == [
        (PAUSE, 0.0, 0.1),
        ("a", 0.1, 0.2),
        (PAUSE, 0.2, 0.4),
        ("b", 0.4, 0.5),
    ]


def test_a_folder_of_speech_is_found_and_read(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "some" / "english")
    assert find_sets(tmp_path / "some") == [folder]
    spoken = read_spoken(folder)
    assert (spoken.info.language, [clip.name for clip in spoken.clips]) == ("en", ["one"])
    assert spoken.minutes == pytest.approx(3.2 / 60, abs=1e-3)
    with pytest.raises(InputError, match="phones"):
        find_sets(tmp_path)
    (folder / "one.wav").unlink()
    with pytest.raises(InputError, match="beside"):
        read_spoken(folder)


def test_labels_of_festvox_become_ipa(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "wav").mkdir()
    (tmp_path / "lab" / "ru_0001.lab").write_text(
        "#\n0.1 125 pau\n0.2 125 ch\n0.25 125 mm\n0.4 125 ae\n0.45 125 d\n0.5 125 ay\n"
    )
    wavfile.write(tmp_path / "wav" / "ru_0001.wav", SAMPLE_RATE, np.zeros(SAMPLE_RATE, np.int16))
    assert read_festvox(tmp_path, tmp_path / "out") == 1
    (clip,) = read_spoken(tmp_path / "out").clips
    assert [phone.ipa for phone in clip.phones] == [PAUSE, "t", "ɕ", "m", "ɪ", "d", "ə"]
    assert [phone.end_s for phone in clip.phones] == [0.1, 0.15, 0.2, 0.25, 0.4, 0.45, 0.5]


def test_words_are_spelled_for_the_dictionary() -> None:
    assert spell("Press 1, it's “Pound” 42.") == ["press", "one", "it's", "pound", "42"]


def test_the_aligner_takes_its_padding_off() -> None:
    def units() -> list[SimpleNamespace]:
        rows = [("SIL", 0, 60, -600), ("HH", 60, 10, -100), ("AY", 70, 20, -100), ("SIL", 90, 60, -60)]
        return [SimpleNamespace(name=n, start=s, duration=d, score=c) for n, s, d, c in rows]

    aligner = Aligner.__new__(Aligner)
    aligner._decoder = SimpleNamespace(
        lookup_word=lambda word: "HH AY" if word == "hi" else None,
        set_align_text=lambda text: None,
        set_alignment=lambda: None,
        start_utt=lambda: None,
        process_raw=lambda sound, full_utt: None,
        end_utt=lambda: None,
        get_alignment=lambda: [units()],
    )
    phones, score = aligner.align(np.zeros(8000, np.float32), "Hi!")
    assert [phone.ipa for phone in phones] == [PAUSE, "h", "a", "ɪ", PAUSE]
    assert [phone.end_s for phone in phones] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert score == pytest.approx(-200 / 30)
    with pytest.raises(InputError, match="qwrt"):
        aligner.align(np.zeros(8000, np.float32), "hi qwrt")


def test_texts_without_a_recording_are_left_out_and_counted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    phones = (Phone(PAUSE, 0.0, 1.0), Phone("a", 1.0, 2.0))
    monkeypatch.setattr(Aligner, "__init__", lambda aligner: None)
    monkeypatch.setattr(Aligner, "align", lambda aligner, samples, text: (phones, -1.0))
    texts, out = tmp_path / "texts", tmp_path / "out"
    texts.write_text("; of a release that has more\nhello: Hello!\ndigits/one: One.\nnew: New.\n")
    arguments = ["asterisk", str(tmp_path), "--texts", str(texts), str(out)]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and not out.exists()
    assert "error: expected recordings of the 3 texts" in capsys.readouterr().err
    wavfile.write(tmp_path / "hello.wav", SAMPLE_RATE, np.zeros(2 * SAMPLE_RATE, np.int16))
    main(arguments)
    assert capsys.readouterr().out == f"1 recordings in {out}\n"
    assert "2 texts are left out" in caplog.text
    assert [clip.phones for clip in read_spoken(out).clips] == [phones]


@pytest.mark.usefixtures("plain_table")
def test_the_report_has_the_motion_and_the_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_set(tmp_path / "english")
    monkeypatch.setattr(motion, "make_reference", lambda clip: reference(wave(3.2)))
    heard: list[int] = []

    def perfect(weights: object) -> motion.System:
        def run(clip: motion.SpokenClip) -> np.ndarray:
            heard.append(len(clip.samples) // FRAME_SAMPLES)
            return mouths(wave(3.2))

        return run

    monkeypatch.setattr(motion, "motion_system", perfect)
    done: list[float] = []
    report = evaluate_motion(folder, progress=done.append)
    assert [row["system"] for row in report.rows] == ["vividlive", "rules"]
    assert report.rows[0]["jaw_r"] == pytest.approx(1.0)
    assert {bar.name: bar.met for bar in report.bars}["english: jaw r"]
    assert (heard, done) == ([80], [1.0])
    with pytest.raises(SettingError, match="80 or 40"):
        evaluate_motion(folder, look_ahead_ms=60)


def test_captured_curves_are_compared_frame_by_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wavfile.write(tmp_path / "take.wav", SAMPLE_RATE, np.zeros(51_200, np.int16))
    captured = [Motion(n, shapes, np.zeros(6, np.float32)) for n, shapes in enumerate(mouths(wave(3.0)))]
    write_motion(tmp_path / "take.csv", captured)
    monkeypatch.setattr(motion, "motion_system", lambda weights: lambda clip: mouths(0.5 * wave(3.2)))
    report = evaluate_captured(tmp_path / "take.wav", tmp_path / "take.csv")
    (row,) = report.rows
    assert (row["frames"], row["lag_frames"]) == (75, 0)
    assert (row["jaw_r"], row["sd_ratio"]) == (pytest.approx(1.0), pytest.approx(0.5, rel=1e-3))
    assert report.met


def make_set(folder: Path) -> Path:
    folder.mkdir(parents=True)
    wavfile.write(folder / "one.wav", SAMPLE_RATE, np.zeros(51_200, np.int16))
    write_phones(folder / "one.phones", SPEECH)
    info = {"name": "english", "language": "en", "licence": "none", "source": "made up"}
    (folder / "set.json").write_text(json.dumps(info), "utf-8")
    return folder
