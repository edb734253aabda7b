import hashlib
from pathlib import Path

import pytest

from engine.errors import SettingError
from streaming.tokens import ALL_SCOPES, Scope, parse_token, read_tokens, scopes_of

SECRET = "correct-horse"
HASH = hashlib.sha256(SECRET.encode()).hexdigest()


def test_a_secret_opens_its_scopes_and_no_others() -> None:
    tokens = [parse_token(f"view,publish={SECRET}"), parse_token("admin=battery-staple")]
    assert scopes_of(SECRET, tokens) == {Scope.VIEW, Scope.PUBLISH}
    assert scopes_of("battery-staple", tokens) == {Scope.ADMIN}
    assert scopes_of("correct-hors", tokens) == frozenset()
    assert scopes_of("", tokens) == frozenset()
    assert scopes_of(HASH, tokens) == frozenset()


def test_scopes_of_several_tokens_with_one_secret_add_up() -> None:
    tokens = [parse_token(f"view={SECRET}"), parse_token(f"admin={SECRET}")]
    assert scopes_of(SECRET, tokens) == {Scope.VIEW, Scope.ADMIN}


def test_a_hashed_secret_is_the_same_secret() -> None:
    token = parse_token(f"all=sha256:{HASH.upper()}")
    assert token == parse_token(f"all={SECRET}")
    assert scopes_of(SECRET, [token]) == ALL_SCOPES


def test_a_token_never_shows_its_secret() -> None:
    shown = repr(parse_token(f"all={SECRET}"))
    assert SECRET not in shown and HASH not in shown and "digest" not in shown


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("hush-hush-hush", "without ="),
        ("watch=hush-hush-hush", "unknown scope"),
        ("=hush-hush-hush", "unknown scope"),
        ("view=hush", "at least 8 characters, got 4"),
        ("view=sha256:abcd", "64 hexadecimal digits"),
    ],
)
def test_what_is_no_token_is_refused_without_its_secret(line: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError) as refusal:
        parse_token(line)
    assert words in str(refusal.value) and "hush" not in str(refusal.value)
    path = tmp_path / "tokens"
    path.write_text(f"# who may do what\n\n{line}\n")
    with pytest.raises(SettingError, match="line 3: "):
        read_tokens(path)


def test_a_file_has_one_token_a_line(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# guests\nview={SECRET}\n\nall = battery-staple\n")
    assert read_tokens(path) == (parse_token(f"view={SECRET}"), parse_token("all=battery-staple"))
    path.write_text("# nobody\n")
    with pytest.raises(SettingError, match="at least one token"):
        read_tokens(path)
    with pytest.raises(SettingError, match="No such file"):
        read_tokens(tmp_path / "missing")
