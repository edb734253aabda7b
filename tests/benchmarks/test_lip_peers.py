"""The comparison with other lip-sync systems, on made-up results and a made-up peer."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.lip_peers import ROWS, _node, behind, earlier, level_mouths, table
from engine.conventions import ARKIT_INDEX, FRAME_SAMPLES
from engine.training.evaluate.spoken import SetInfo, SpokenClip, SpokenSet
from engine.training.openfacefx_curves import VISEMES


def row(name: str, value: float, held: float, streaming: bool = True) -> dict[str, Any]:
    return {
        "system": name,
        "streaming": streaming,
        "look_ahead_ms": 0 if streaming else None,
        "best_lag_ms": 40,
        "at_lag_0": dict.fromkeys(ROWS, value),
        "at_best_lag": dict.fromkeys(ROWS, held),
    }


def test_a_streaming_peer_is_compared_at_its_best_lag() -> None:
    ours = row("vividlive, 80 ms", 0.6, 0.6)
    assert behind([ours, row("peer", 0.3, 0.5), row("offline", 0.9, 0.9, streaming=False)]) == []
    assert behind([ours, row("peer", 0.3, 0.7)]) == [f"{name}: peer" for name in ROWS]
    assert behind([ours, row("vividlive, 40 ms", 0.7, 0.7)]) == []


def test_earlier_moves_and_holds_the_ends() -> None:
    mouth = np.arange(4, dtype=np.float32)[:, None]
    assert earlier(mouth, 2)[:, 0].tolist() == [2, 3, 3, 3]
    assert earlier(mouth, -1)[:, 0].tolist() == [0, 0, 1, 2]


def test_the_level_opens_the_jaw() -> None:
    samples = np.repeat(np.array([0.0, 0.1, 0.9], np.float32), FRAME_SAMPLES)
    jaw = level_mouths(SpokenClip("x", samples, ()))[:, ARKIT_INDEX["jawOpen"]]
    assert jaw == pytest.approx([0.0, 0.4, 1.0])


def test_the_table_shows_both_lags() -> None:
    result = {"sets": [{"set": "english", "minutes": 1.0, "systems": [row("peer", 0.3, 0.5)]}]}
    assert table(result, "english").columns[3]._cells == ["0.30 (0.50)"]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_wawa_hears_every_frame_and_its_visemes_come_back(tmp_path: Path) -> None:
    pytest.importorskip("openfacefx")
    package = tmp_path / "wawa-lipsync" / "dist"
    package.mkdir(parents=True)
    (package / "wawa-lipsync.es.js").write_text(
        """export class Lipsync {
          constructor() {
            this.context = new window.AudioContext();
            this.analyser = this.context.createAnalyser();
            this.analyser.fftSize = 2048;
          }
          processAudio() {
            const bytes = new Uint8Array(this.analyser.frequencyBinCount);
            this.analyser.getByteFrequencyData(bytes);
            const peak = bytes.indexOf(Math.max(...bytes));
            const found = Math.abs((peak * this.context.sampleRate) / 2048 - 1000) < 50;
            this.viseme = found ? "viseme_aa" : "viseme_sil";
          }
        }"""
    )
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(20 * FRAME_SAMPLES) / 16_000)
    clip = SpokenClip("tone", tone.astype(np.float32), ())
    silent = SpokenClip("silence", np.zeros_like(clip.samples), ())
    made, quiet = _node("wawa_lipsync.mjs", tmp_path)(SpokenSet(SetInfo("x"), (clip, silent)))
    jaw = made[:, ARKIT_INDEX["jawOpen"]]
    assert VISEMES.index("aa") == 10 and len(jaw) == 20
    assert jaw[-1] == pytest.approx(0.6, abs=0.01)  # openfacefx's jaw of aa
    assert not quiet.any()
