"""``vividlive serve``: the options of the command line, joined with environment and settings file."""

import os
from pathlib import Path
from typing import Annotated

import typer

from vividlive.options import WeightsOption


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 127.0.0.1.", show_default=False)
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8080.", show_default=False)] = None,
    avatar: Annotated[Path | None, typer.Option(help="An avatar bundle to show first.")] = None,
    latency_ms: Annotated[
        float | None,
        typer.Option(help="Fixed time from sound in to picture out; 160, or what the machine needs."),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Side of the frames in pixels: 256, 512 or 768.", show_default=False)
    ] = None,
    quality: Annotated[
        str | None, typer.Option(help="auto, geometric or neural (refined by networks).", show_default=False)
    ] = None,
    weights: WeightsOption = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="cpu, or cuda: one GPU draws the frames of all sessions together.", show_default=False
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that draw, each on one core; 1.", show_default=False)
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file with settings.")] = None,
    max_sessions: Annotated[int | None, typer.Option(help="How many avatars live at a time; 2.")] = None,
    max_viewers: Annotated[int | None, typer.Option(help="How many see them, all together; 32.")] = None,
    idle_timeout_s: Annotated[
        float | None, typer.Option(help="How long a session waits after the last one left; 15.")
    ] = None,
    ice_server: Annotated[
        list[str] | None,
        typer.Option(help="stun:HOST or turn:USER:SECRET@HOST[:PORT][?transport=tcp]; may be repeated."),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM): serve HTTPS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM, without password).")] = None,
    token: Annotated[
        list[str] | None,
        typer.Option(
            help="SCOPES=SECRET with scopes out of view, publish, admin or all; the secret may be "
            "sha256:HASH; may be repeated."
        ),
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="A file of such tokens, one a line.")] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="A web origin whose pages may use this server, or *; may be repeated."),
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="text or json.", show_default=False)] = None,
) -> None:
    """Serve the live call at http://HOST:PORT.

    Every setting of docs/operation.md can also come from --config, or as VIVIDLIVE_NAME from the environment.
    """
    from kernels import backend
    from streaming.log import configure
    from streaming.serve import serve as run
    from streaming.settings_sources import gather_settings

    settings = gather_settings(
        {
            "host": host,
            "port": port,
            "avatar": avatar,
            "latency_ms": latency_ms,
            "size": size,
            "quality": quality,
            "weights": weights,
            "device": device,
            "workers": workers,
            "max_sessions": max_sessions,
            "max_viewers": max_viewers,
            "idle_timeout_s": idle_timeout_s,
            "ice_servers": ice_server or None,
            "tls_cert": tls_cert,
            "tls_key": tls_key,
            "tokens": token or None,
            "token_file": token_file,
            "allow_origins": allow_origin or None,
            "log_format": log_format,
        },
        config,
        os.environ,
    )
    configure(settings.log_format)
    backend()  # raises what VIVIDLIVE_KERNELS asks for in vain, before other processes fail on it
    run(settings)
