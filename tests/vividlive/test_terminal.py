"""What commands write beside their words."""

import io
import json
from pathlib import Path

import pytest

from engine.errors import InputError
from tests.full_disk import full_disk
from vividlive.terminal import end_line, stderr, write_json, write_over


def test_a_full_disk_leaves_the_json_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(str(path), [1])
    with full_disk(), pytest.raises(InputError, match=r"can be written for .*a\.json"):
        write_json(str(path), list(range(1000)))
    assert json.loads(path.read_text()) == [1] and list(tmp_path.iterdir()) == [path]


def test_a_line_that_is_written_over_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    write_over("nobody sees it")
    end_line()
    assert shown.getvalue() == ""
    monkeypatch.setattr(shown, "isatty", lambda: True)
    monkeypatch.setattr(stderr, "width", 20)
    write_over("so long that it\nwould be wrapped")
    end_line()
    assert shown.getvalue() == "\rso long that it wou\x1b[K\n"
