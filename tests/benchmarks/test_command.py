"""Benchmarks that are commands of their own: results that are written whole or not at all, errors in one line."""

import sys
from pathlib import Path

import pytest

from benchmarks import lip_peers, page_load
from benchmarks.command import result_path, run_main
from benchmarks.gpu import Pack
from benchmarks.media import __main__ as media
from engine.errors import InputError


def test_an_error_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise InputError("expected better")

    for main, code in ((fail, 2), (lambda: 3, 3)):
        with pytest.raises(SystemExit) as end:
            run_main(main)
        assert end.value.code == code
    assert capsys.readouterr().err == "error: expected better\n"


def test_a_result_that_cannot_be_written_is_refused_before_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert result_path("-") == "-" and result_path(str(tmp_path / "r.json"))
    missing = str(tmp_path / "missing" / "r.json")
    with pytest.raises(InputError, match="can be written"):
        lip_peers.main(["sets", "--npm", "modules", "--out", missing])
    monkeypatch.setattr(sys, "argv", ["page_load", "--json", missing])
    with pytest.raises(InputError, match="can be written"):
        page_load.main()


def test_results_are_not_added_to_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "find_chromium", lambda: "chromium")
    for text in ("no results", "[3]"):
        (tmp_path / "r.json").write_text(text)
        monkeypatch.setattr(sys, "argv", ["media", "latency", "--json", str(tmp_path / "r.json")])
        with pytest.raises(InputError, match=r"expected results of this command in .*r\.json"):
            media.main()
        assert (tmp_path / "r.json").read_text() == text


def test_what_is_no_pack_is_refused(tmp_path: Path) -> None:
    words = tmp_path / "words.npz"
    words.write_text("no pack")
    for path in (words, tmp_path / "missing.npz"):
        with pytest.raises(InputError, match="expected a pack of python -m benchmarks.gpu_pack"):
            Pack.load(path)
