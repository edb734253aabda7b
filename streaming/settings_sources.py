"""Settings of ``serve`` out of the command line, the environment and a TOML file, in this order of precedence."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError

from engine.errors import SettingError
from streaming.settings import ServeSettings
from streaming.tokens import read_tokens

PREFIX: Final = "VIVIDLIVE_"
"""``VIVIDLIVE_PORT`` sets ``port``; lists are words."""

NO_SETTINGS: Final = ("CONFIG", "CACHE", "KERNELS", "NPM", "E2E_URL", "SLOW_TESTS")
"""What else the project reads from variables with this prefix: the settings file, of the kernels, of its tests."""

PATHS: Final = tuple(
    name for name, field in ServeSettings.model_fields.items() if Path in get_args(field.annotation)
)
"""Of a settings file these are relative to its folder."""

SECRET: Final = ("tokens", "ice_servers")
"""What is wrong with these is said without showing them."""


def gather_settings(
    given: Mapping[str, Any], config: Path | None = None, environ: Mapping[str, str] | None = None
) -> ServeSettings:
    """Join ``given`` (the command line: None where an option was left out) with environment and settings file.

    Raises:
        SettingError: a source cannot be read, or a value is refused; says which and where it came from.
    """
    environ = environ or {}
    config = config or (Path(environ[f"{PREFIX}CONFIG"]) if environ.get(f"{PREFIX}CONFIG") else None)
    sources: list[tuple[str, dict[str, Any]]] = []
    if config is not None:
        sources.append((f"{{}} in {config}", _read(config)))
    sources.append((f"{PREFIX}{{}}", _from_environ(environ)))
    sources.append(("--{}", {field: value for field, value in given.items() if value is not None}))
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for form, source in sources:
        for field, value in source.items():
            values[field] = value
            origin[field] = _named(form, field)
    try:
        settings = ServeSettings.model_validate(values)
    except ValidationError as error:
        raise SettingError(_in_words(error, origin)) from error
    if settings.token_file is not None:
        tokens = (*settings.tokens, *read_tokens(settings.token_file))
        settings = settings.model_copy(update={"tokens": tokens, "token_file": None})
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingError("expected --tls-cert and --tls-key together, got one of them")
    if settings.weights is not None and settings.quality != "neural":
        raise SettingError(
            f"expected {origin['weights']} with the quality neural, got it with {settings.quality}: no other uses it"
        )
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"expected a settings file at {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"expected TOML in {path}: {error}") from error
    for name in PATHS:
        if isinstance(values.get(name), str):
            values[name] = path.parent / values[name]
    return values


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    """All settings that are not empty, unknown ones as well: a misspelt VIVIDLIVE_TOKENS must not leave a server open."""
    named = {name.removeprefix(PREFIX): value for name, value in environ.items() if name.startswith(PREFIX)}
    return {name.lower(): value for name, value in named.items() if value and name not in NO_SETTINGS}


def _named(form: str, field: str) -> str:
    if form.startswith("--"):
        # The repeatable options are called after one item.
        words = {"tokens": "token", "ice_servers": "ice-server", "allow_origins": "allow-origin"}
        return form.format(words.get(field, field.replace("_", "-")))
    return form.format(field.upper() if form.startswith(PREFIX) else field)


def _in_words(error: ValidationError, origin: Mapping[str, str]) -> str:
    first = error.errors(include_url=False)[0]
    field = str(first["loc"][0])
    where = origin.get(field, field)
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, ServeSettings.model_fields, 1)
        known = (
            f"did you mean {near[0]}?"
            if near
            else f"known are {', '.join(sorted(ServeSettings.model_fields))}"
        )
        return f"expected a known setting, got {where}: {known}"
    message = first["msg"].removeprefix("Value error, ")
    told = field in SECRET or ", got " in message
    shown = "" if told else f", got {str(first['input'])[:80]!r}"
    return f"{where}: {message}{shown}"
