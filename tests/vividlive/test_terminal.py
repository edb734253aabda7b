"""What commands write beside their words."""

import json
from pathlib import Path

import pytest

from engine.errors import InputError
from tests.full_disk import full_disk
from vividlive.terminal import write_json


def test_a_full_disk_leaves_the_json_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(str(path), [1])
    with full_disk(), pytest.raises(InputError, match=r"can be written for .*a\.json"):
        write_json(str(path), list(range(1000)))
    assert json.loads(path.read_text()) == [1] and list(tmp_path.iterdir()) == [path]
