import json
import logging
import sys

from streaming.log import JsonFormatter, TextFormatter, label, without_names


def record(message: str, *values: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("streaming.server", logging.INFO, "server.py", 1, message, values, None)
    made.__dict__.update(more)
    return made


def test_json_is_one_object_a_line() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        failed = record("it %s", "fai\nled", session="3fk2", exc_info=sys.exc_info())
    line = JsonFormatter().format(failed)
    assert "\n" not in line
    entry = json.loads(line)
    assert entry["event"] == "it fai\nled"
    assert (entry["level"], entry["logger"], entry["session"]) == ("info", "streaming.server", "3fk2")
    assert "ValueError: first" in entry["error"]
    assert entry["time"].endswith("Z")


def test_text_names_the_session_first() -> None:
    line = TextFormatter().format(record("opened with avatar %s", "grace_hopper", session="3fk2"))
    assert line.endswith(" INFO session 3fk2: opened with avatar grace_hopper")
    assert TextFormatter().format(record("serving")).endswith(" INFO serving")


def test_names_that_are_keys_are_shortened() -> None:
    assert label("urwaqNxK46F8uUdJ") == "urwa"
    assert without_names("/api/calls/urwaqNxK46F8uUdJ/speech") == "/api/calls/urwa.../speech"
    assert "\n" not in without_names("/a\nfake line")
