from pathlib import Path

import pytest

from engine.errors import SettingError
from streaming.settings import ServeSettings
from streaming.settings_sources import gather_settings
from streaming.tokens import parse_token


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_command_line_wins_over_the_environment_over_the_file(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.toml", 'port = 1\nsize = 256\nlatency_ms = 200\nice_servers = ["stun:a.example"]'
    )
    environ = {
        "VIVIDLIVE_PORT": "2",
        "VIVIDLIVE_SIZE": "768",
        "VIVIDLIVE_KERNELS": "cpu",
        "VIVIDLIVE_HOST": "",
    }
    settings = gather_settings({"port": 3, "avatar": None}, file, environ)
    assert (settings.port, settings.size, settings.latency_ms) == (3, 768, 200.0)
    assert settings.ice_servers == ({"urls": "stun:a.example"},)
    assert settings.host == "127.0.0.1"


def test_the_environment_can_name_the_file_and_has_lists_as_words(tmp_path: Path) -> None:
    file = write(tmp_path / "a.toml", "standby = false")
    settings = gather_settings(
        {},
        environ={
            "VIVIDLIVE_CONFIG": str(file),
            "VIVIDLIVE_ICE_SERVERS": "stun:a.example  turn:u:p@b.example",
            "VIVIDLIVE_TOKENS": "view=hush-hush admin=quiet-please",
            "VIVIDLIVE_BADGE": "false",
        },
    )
    assert not settings.standby and not settings.badge
    assert [server["urls"] for server in settings.ice_servers] == ["stun:a.example", "turn:b.example"]
    assert len(settings.tokens) == 2


def test_paths_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    write(tmp_path / "tokens", "view=hush-hush\n")
    file = write(
        tmp_path / "a.toml", 'avatar = "me.avatar"\ntoken_file = "tokens"\ntokens = ["all=quiet-please"]'
    )
    settings = gather_settings({}, file)
    assert settings.avatar == tmp_path / "me.avatar"
    assert settings.tokens == (parse_token("all=quiet-please"), parse_token("view=hush-hush"))
    assert "hush" not in repr(settings) and "quiet" not in repr(settings)


def test_every_path_in_a_file_is_relative_to_it(tmp_path: Path) -> None:
    names = ("avatar", "data_dir", "weights", "tls_cert", "tls_key")
    lines = ['quality = "neural"', *(f'{n} = "x/{n}"' for n in names)]
    settings = gather_settings({}, write(tmp_path / "a.toml", "\n".join(lines)))
    assert {n: getattr(settings, n) for n in names} == {n: tmp_path / "x" / n for n in names}
    paths = {n for n, value in settings.model_dump().items() if isinstance(value, Path)}
    assert paths == set(names)


def test_no_source_at_all_is_the_defaults() -> None:
    assert gather_settings({}) == ServeSettings()


@pytest.mark.parametrize(
    ("text", "environ", "given", "words"),
    [
        ("prot = 8080", {}, {}, "got prot in {file}: did you mean port?"),
        ("frobnicate = 1", {}, {}, "known are allow_origins, av_offset_ms"),
        ("port = ", {}, {}, "expected TOML in {file}"),
        ("port = 99999", {}, {}, "port in {file}: "),
        ("", {"VIVIDLIVE_PORT": "many"}, {}, "VIVIDLIVE_PORT: "),
        ("", {"VIVIDLIVE_TOKEN": "view=hush-hush"}, {}, "got VIVIDLIVE_TOKEN: did you mean tokens?"),
        ("", {}, {"size": 500}, "--size: Input should be 256, 512 or 768, got '500'"),
        ("", {}, {"ice_servers": ["turn:u:hush@"]}, "--ice-server: expected an ICE server"),
        ("", {}, {"tokens": ["all:hush"]}, "--token: expected a token as SCOPES=SECRET"),
        ("", {}, {"tokens": ["all=hush"]}, "--token: expected a secret of at least 8"),
        ("tokens = [7]", {}, {}, "tokens in {file}: expected a token"),
        ("[tokens]\nview = 'hush-hush'", {}, {}, "tokens in {file}: expected a list"),
        ("", {}, {"allow_origins": ["example.com"]}, "--allow-origin: expected an origin"),
        ("", {}, {"tls_cert": "a.pem"}, "--tls-cert and --tls-key together"),
        ("", {}, {"weights": "a.safetensors"}, "--weights with the quality neural"),
        ("", {}, {"log_format": "xml"}, "--log-format: "),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_source(
    tmp_path: Path, text: str, environ: dict[str, str], given: dict[str, object], words: str
) -> None:
    file = write(tmp_path / "a.toml", text)
    with pytest.raises(SettingError) as refusal:
        gather_settings(given, file, environ)
    message = " ".join(str(refusal.value).split())
    assert words.format(file=file) in message
    assert "hush" not in message and message.count(", got ") <= 1


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="expected a settings file at .*missing.toml: No such file"):
        gather_settings({}, tmp_path / "missing.toml")
