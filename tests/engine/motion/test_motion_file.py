"""Motion tables keep what they hold, and say what is wrong with the others."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.conventions import ARKIT_INDEX, ARKIT_NAMES
from engine.errors import InputError
from engine.motion.motion_file import COLUMNS, read_motion, write_motion
from engine.motion.values import Motion


def motions(count: int) -> list[Motion]:
    random = np.random.default_rng(0)
    return [
        Motion(
            n,
            random.random(52, np.float32),
            random.uniform(-5, 5, 6).astype(np.float32),
            lip_offsets=random.random(5, np.float32),
        )
        for n in range(count)
    ]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    written = motions(7)
    assert write_motion(path, written) == 7
    read = read_motion(path)
    assert [m.number for m in read] == list(range(7))
    for a, b in zip(written, read, strict=True):
        np.testing.assert_allclose(b.blendshapes, a.blendshapes, atol=1e-5)
        np.testing.assert_allclose(b.pose, a.pose, atol=1e-4)
        np.testing.assert_allclose(b.lip_offsets, a.lip_offsets, atol=1e-5)


def test_a_table_stays_until_the_next_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    write_motion(path, motions(1))
    before = path.read_text()

    def failing() -> Iterator[Motion]:
        yield from motions(3)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_motion(path, failing())
    assert path.read_text() == before and list(tmp_path.iterdir()) == [path]


def test_columns_are_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    write_motion(path, motions(1))
    header = path.read_text().splitlines()[0].split(",")
    assert header == list(COLUMNS)
    assert header[0] == "time_s" and header[1:53] == list(ARKIT_NAMES)
    assert header[53:59] == ["yaw_deg", "pitch_deg", "roll_deg", "tx", "ty", "tz"]
    assert header[59:] == ["lipSeal", "lipTuck", "lipThin", "lipFlare", "lipSkew"]


def test_columns_of_the_lips_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("time_s,jawOpen,lipSkew\n0,0.5,-0.4\n")
    (only,) = read_motion(path)
    np.testing.assert_allclose(only.lip_offsets, [0, 0, 0, 0, -0.4], atol=1e-6)


def test_another_frame_rate_is_resampled(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    rows = "\n".join(f"{n / 50},{n / 100}" for n in range(51))
    path.write_text(f"time_s,jawOpen\n{rows}\n")
    read = read_motion(path)
    assert len(read) == 26
    np.testing.assert_allclose(
        [m.blendshapes[ARKIT_INDEX["jawOpen"]] for m in read], np.arange(26) / 50, atol=1e-6
    )


def test_values_are_clamped(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("time_s,jawOpen,yaw_deg,lipSeal,lipSkew\n0,7,-90,3,-2\n")
    (only,) = read_motion(path)
    assert only.lip_offsets.tolist() == [1.0, 0.0, 0.0, 0.0, -1.0]
    assert only.blendshapes[ARKIT_INDEX["jawOpen"]] == 1.0
    assert only.pose[0] == -15.0


@pytest.mark.parametrize(
    "text",
    ["", "hello", "time_s,jawOpen\n", "time_s\n0\n", "time_s,jawOpen\n0,x\n", "time_s,jawOpen\n0,nan\n",
     "time_s,jawOpen\n0,0\n0,1\n", "time_s,jawOpen\n0\n", "time_s,jawOpen\n0,1e300\n", "time_s,tx\n0,-1e30\n"],
)  # fmt: skip
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(InputError, match="expected"):
        read_motion(path)


@pytest.mark.parametrize("last", ["1764250000", "14401", "1e300"])
def test_times_that_are_no_seconds_are_refused(tmp_path: Path, last: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(f"time_s,jawOpen\n0,0\n{last},1\n")
    with pytest.raises(InputError, match="expected time_s in seconds, 4 hours at most"):
        read_motion(path)
    path.write_text("time_s,jawOpen\n1764250000,0\n1764250001,1\n")  # the first row is the beginning
    assert len(read_motion(path)) == 26


def test_binary_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(bytes(range(256)))
    for bad in (path, tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match="expected"):
            read_motion(bad)
