"""Lips of other systems beside ours, on the same recordings and by the same measures: ``python -m benchmarks.lip_peers``.

Streaming peers: @met4citizen/headaudio and wawa-lipsync, which browsers run (here Node runs the packages as they ship,
see ``benchmarks/peers``), and the sound's level as the jaw. Offline, for reference: pocketsphinx hears the whole
recording and names its sounds, which openfacefx turns into curves like those of the reference.

Visemes become mouths by openfacefx's table, as the reference's do. Streaming peers show a frame once its last sample
is heard and are late by what they smooth, so every system is also compared at the lag at which its jaw fits best,
as if the sound were held back by so much.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.signal import resample_poly

from benchmarks.command import result_path, run_main
from benchmarks.machine import commit, machine
from engine.conventions import (
    ARKIT_INDEX,
    ARKIT_NAMES,
    FRAME_RATE,
    FRAME_SAMPLES,
    LOOK_AHEADS_MS,
    SAMPLE_RATE,
)
from engine.errors import UnavailableError
from engine.motion.stage import WEIGHTS
from engine.training.evaluate.agreement import Float, compare_mouths
from engine.training.evaluate.align import find_phones
from engine.training.evaluate.motion import close_lips, frame_means, frames_of, make_reference, motion_system
from engine.training.evaluate.spoken import SpokenClip, SpokenSet, find_sets, read_spoken
from engine.training.openfacefx_curves import VISEMES, openfacefx_shapes, openfacefx_visemes
from engine.training.prosody import RATE
from vividlive.terminal import write_json

PEERS: Final = Path(__file__).parent / "peers"
PEER_RATE: Final = 48_000

ROWS: Final = ("jaw_r", "opening_r", "width_r", "viseme_r", "f1")
"""Measures in which a system can be ahead; ``compare_mouths`` says what they are."""

LEVEL_GAIN: Final = 4.0
"""jawOpen per unit of the sound's level; correlations do not depend on it."""

Mouths = list[Float]


@dataclass(frozen=True)
class System:
    """One way to move lips: its name, whether it works on a stream, what it waits for beyond a frame (None: all of
    the recording), and how it makes mouths [F, 52] for each recording."""

    name: str
    streaming: bool
    look_ahead_ms: int | None
    make: Callable[[SpokenSet], Mouths]


def measure(
    folder: Path, node_modules: Path, weights: Path | None = None, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Compare all systems on the folder's sets of timed speech; JSON values.

    Raises:
        UnavailableError: a package is missing, or Node or one of its packages.
    """
    sets = []
    for path in find_sets(folder):
        spoken = read_spoken(path)
        references = [make_reference(clip) for clip in spoken.clips]
        rows = []
        for system in systems(node_modules, weights):
            say(f"{spoken.info.name}: {system.name}")
            mouths = system.make(spoken)
            now = compare_mouths(references, mouths)
            lag = int(now["lag_frames"] or 0)
            held = compare_mouths(references, [earlier(mouth, lag) for mouth in mouths]) if lag else now
            rows.append(
                {
                    "system": system.name,
                    "streaming": system.streaming,
                    "look_ahead_ms": system.look_ahead_ms,
                    "best_lag_ms": round(1000 * lag / FRAME_RATE),
                    "at_lag_0": {row: _rounded(now[row]) for row in ROWS},
                    "at_best_lag": {row: _rounded(held[row]) for row in ROWS},
                }
            )
        sets.append(
            {
                "set": spoken.info.name,
                "recordings": len(spoken.clips),
                "minutes": round(spoken.minutes, 1),
                "systems": rows,
                "behind": behind(rows),
            }
        )
    return {"commit": commit(), "machine": machine(), "weights": _weights_name(weights), "sets": sets}


def systems(node_modules: Path, weights: Path | None) -> list[System]:
    """Ours first. ``weights`` stand in for the shipped ones of the usual look-ahead."""
    ours = {LOOK_AHEADS_MS[0]: weights} if weights else {ms: WEIGHTS[ms] for ms in LOOK_AHEADS_MS}
    return [
        *(
            System(f"vividlive, {ms} ms", True, ms, _each(motion_system(path or WEIGHTS[ms])))
            for ms, path in ours.items()
        ),
        System("headaudio 0.1.0", True, 0, _node("headaudio.mjs", node_modules)),
        System("headaudio 0.1.0, aa mended", True, 0, _node("headaudio.mjs", node_modules, "mended")),
        System("wawa-lipsync 0.0.2", True, 0, _node("wawa_lipsync.mjs", node_modules)),
        System("level of the sound", True, 0, _each(level_mouths)),
        System("pocketsphinx, openfacefx", False, None, _each(heard_mouths)),
    ]


def behind(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Where a streaming peer, at its best lag, is not behind the first system at lag 0."""
    first, *others = rows
    return [
        f"{name}: {row['system']}"
        for name in ROWS
        for row in others
        if row["streaming"]
        and not row["system"].startswith("vividlive")
        and max(row[at][name] for at in ("at_lag_0", "at_best_lag")) >= first["at_lag_0"][name]
    ]


def earlier(mouth: Float, frames: int) -> Float:
    """The mouth [F, 52] shown so many frames earlier; its last (or first) frame fills the rest."""
    places = np.clip(np.arange(len(mouth)) + frames, 0, len(mouth) - 1)
    return np.asarray(mouth[places])


def level_mouths(clip: SpokenClip) -> Float:
    """jawOpen in proportion to the root mean square of each frame."""
    blocks = clip.samples[: frames_of(clip) * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    mouths = np.zeros((len(blocks), len(ARKIT_NAMES)), np.float32)
    level = np.sqrt((blocks.astype(np.float64) ** 2).mean(axis=1))
    mouths[:, ARKIT_INDEX["jawOpen"]] = np.clip(LEVEL_GAIN * level, 0, 1)
    return mouths


def heard_mouths(clip: SpokenClip) -> Float:
    """openfacefx's curves of the sounds that pocketsphinx hears."""
    steps = len(clip.samples) * RATE // SAMPLE_RATE + 1
    visemes = openfacefx_visemes(find_phones(clip.samples), steps)
    return viseme_mouths(frame_means(visemes, frames_of(clip)))


def viseme_mouths(visemes: Float) -> Float:
    """Mouths [F, 52] of visemes [F, 15] in openfacefx's order."""
    return close_lips(openfacefx_shapes(visemes), visemes)


def _each(make: Callable[[SpokenClip], Float]) -> Callable[[SpokenSet], Mouths]:
    return lambda spoken: [make(clip) for clip in spoken.clips]


def _node(script: str, node_modules: Path, *options: str) -> Callable[[SpokenSet], Mouths]:
    def make(spoken: SpokenSet) -> Mouths:
        with tempfile.TemporaryDirectory() as folder:
            work = []
            for number, clip in enumerate(spoken.clips):
                sound, out = Path(folder, f"{number}.sound"), Path(folder, f"{number}.visemes")
                resample_poly(clip.samples, PEER_RATE // SAMPLE_RATE, 1).astype(np.float32).tofile(sound)
                work.append({"sound": str(sound), "out": str(out)})
            _run(["node", str(PEERS / script), str(node_modules), *options], json.dumps(work))
            return [
                viseme_mouths(_fitted(np.fromfile(item["out"], np.float32), frames_of(clip)))
                for item, clip in zip(work, spoken.clips, strict=True)
            ]

    return make


def _fitted(values: NDArray[np.float32], frames: int) -> Float:
    rows = values.reshape(-1, len(VISEMES))
    return np.asarray(rows[np.minimum(np.arange(frames), len(rows) - 1)])


def _run(command: list[str], text: str) -> None:
    try:
        subprocess.run(command, input=text, text=True, capture_output=True, check=True)
    except FileNotFoundError as error:
        raise UnavailableError("expected Node.js 20 or newer to run the peers") from error
    except subprocess.CalledProcessError as error:
        raise UnavailableError(
            f"expected the peers' packages (scripts/install_lip_peers.sh): {error.stderr[-400:]}"
        ) from error


def _rounded(value: Any) -> float:
    return round(float(value), 3)


def _weights_name(weights: Path | None) -> str:
    return weights.name if weights else "shipped"


def table(result: dict[str, Any], name: str) -> Table:
    """One set of the result; each cell has the value at lag 0 and, where it differs, that at the best lag."""
    (chosen,) = (item for item in result["sets"] if item["set"] == name)
    shown = Table("system", "look-ahead", "best lag", *ROWS, title=f"{name}, {chosen['minutes']} min")
    for row in chosen["systems"]:
        ahead = "whole" if row["look_ahead_ms"] is None else f"{row['look_ahead_ms']} ms"
        cells = []
        for column in ROWS:
            now, held = row["at_lag_0"][column], row["at_best_lag"][column]
            cells.append(f"{now:.2f}" if row["best_lag_ms"] == 0 else f"{now:.2f} ({held:.2f})")
        shown.add_row(row["system"], ahead, f"{row['best_lag_ms']} ms", *cells)
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lip_peers", description=__doc__.split("\n")[0]
    )
    parser.add_argument("folder", type=Path, help="a set of timed speech, or a folder of such")
    parser.add_argument("--npm", type=Path, required=True, help="the folder node_modules with the peers")
    parser.add_argument("--weights", type=Path, help="weights of ours other than those that ship")
    parser.add_argument("--out", type=result_path, help="where to write the result as JSON")
    chosen = parser.parse_args(arguments)
    result = measure(chosen.folder, chosen.npm.resolve(), chosen.weights)
    for item in result["sets"]:
        Console(width=140).print(table(result, item["set"]))
        for line in item["behind"]:
            sys.stdout.write(f"not ahead of {line}\n")
    if chosen.out:
        write_json(chosen.out, result)


if __name__ == "__main__":
    run_main(main)
