"""A microphone for other programs where PipeWire's tools end at once: no PipeWire is needed for this."""

import sys
from typing import Any

import pytest

from engine.errors import UnavailableError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="PipeWire runs on Linux")


def test_a_tool_that_ends_before_it_is_told_anything_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from streaming.camera import pipewire

    class EndedChild(pipewire._Child):
        def __init__(self, command: list[str]) -> None:
            super().__init__(["sh", "-c", "echo 'Host is down'; exit 1"])
            self._process.wait()

    def there(*needed: Any) -> None:
        pass

    monkeypatch.setattr(pipewire, "_Child", EndedChild)
    monkeypatch.setattr(pipewire, "_need_pipewire", there)
    monkeypatch.setattr(pipewire, "_need", there)
    with pytest.raises(UnavailableError, match="expected PipeWire to make a microphone, got: Host is down"):
        pipewire.SoundNode().open()
