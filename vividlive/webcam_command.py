"""``vividlive webcam``: the avatar as a camera for any conferencing program."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import SettingError, UnavailableError
from vividlive.options import (
    ExpressivenessOption,
    HeadMotionOption,
    MoodOption,
    SeedOption,
    refuse_given,
)
from vividlive.outputs import ended_by_sigterm
from vividlive.photos import FaceOption, RightsChoice, RightsOption, make_avatar
from vividlive.terminal import end_line, stdout, write_over

if TYPE_CHECKING:
    from engine.avatar.avatar import Avatar
    from streaming.camera.webcam import WebcamReport


@ended_by_sigterm()
def webcam(
    avatar: Annotated[Path | None, typer.Option(help="An avatar bundle.")] = None,
    photo: Annotated[Path | None, typer.Option(help="A portrait; the bundled one without either.")] = None,
    microphone: Annotated[
        str, typer.Option(help="default, none, or a part of the name of a microphone.")
    ] = "default",
    audio: Annotated[
        Path | None, typer.Option(help="Speak this recording instead of the microphone.")
    ] = None,
    face_camera: Annotated[
        str | None,
        typer.Option(
            help="Drive the avatar by the face before this camera: default, a device such as /dev/video0, a part of a "
            "camera's name, or a video file that stands in for one. The voice does while no face is seen."
        ),
    ] = None,
    background: Annotated[str, typer.Option(help="blur, a colour as #RRGGBB, or a picture file.")] = "blur",
    sound_output: Annotated[
        str,
        typer.Option(
            help="Where the delayed sound goes: none, default, a part of the name of an output (a virtual cable), "
            "or pipewire for a microphone of its own."
        ),
    ] = "none",
    width: Annotated[int, typer.Option(help="Width of the camera's picture.")] = 1280,
    height: Annotated[int, typer.Option(help="Height of the camera's picture.")] = 720,
    latency_ms: Annotated[
        float | None,
        typer.Option(help="Fixed time from sound in to picture out; 160, or what the machine needs."),
    ] = None,
    backend: Annotated[str, typer.Option(help="auto, pyvirtualcam or pipewire.")] = "auto",
    device: Annotated[
        str | None, typer.Option(help="The camera device, such as /dev/video2; with pipewire its name.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the avatar as it is drawn: 256, 512 or 768.")] = 512,
    seed: SeedOption = 0,
    expressiveness: ExpressivenessOption = 1.0,
    head_motion: HeadMotionOption = 1.0,
    mood: MoodOption = 0.0,
    badge: Annotated[bool, typer.Option(help="Draw the AI-generated badge.")] = True,
    rights: RightsOption = RightsChoice.unstated,
    face: FaceOption = None,
    list_devices: Annotated[
        bool, typer.Option("--list-devices", help="Show sound devices and cameras.")
    ] = False,
) -> None:
    """Be a virtual camera that shows the avatar, until Ctrl-C."""
    if list_devices:
        _list_devices()
        return
    if avatar is not None and photo is not None:
        raise SettingError("expected one of --photo and --avatar, or neither")
    if face is not None and photo is None:
        raise SettingError("expected --face with --photo, got it without")
    if photo is None:
        whose = "the bundled portrait" if avatar is None else "--avatar"
        refuse_given(whose, {"--rights": rights is not RightsChoice.unstated})
    if audio is not None:
        refuse_given("--audio", {"--microphone": microphone not in ("default", "none")})
    if backend not in ("auto", "pyvirtualcam", "pipewire"):
        raise SettingError(f"expected a backend of auto, pyvirtualcam or pipewire, got {backend!r}")
    from pydantic import ValidationError

    from engine.motion.stage import MotionStyle
    from engine.speech.audio_file import load_audio
    from streaming.camera.background import dressed, make_background
    from streaming.camera.canvas import check_canvas
    from streaming.camera.outputs import open_camera
    from streaming.camera.webcam import NONE, WebcamSettings, run_until_interrupted
    from streaming.engine_port import one_thread
    from streaming.settings import ServeSettings
    from streaming.sound_card import find_device

    one_thread()
    MotionStyle(expressiveness, head_motion, mood=mood)  # raises for what is out of range
    check_canvas(width, height)
    try:
        live = ServeSettings.model_validate(
            {"size": size, "latency_ms": latency_ms, "av_offset_ms": 0, "standby": False, "badge": False}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingError(f"{first['loc'][0]}: {first['msg']}, got {first['input']!r}") from error
    if audio is not None:
        microphone = NONE
    speech = load_audio(audio) if audio is not None else None
    if microphone != NONE:
        find_device(microphone, "input")
    if sound_output not in (NONE, "pipewire"):
        find_device(sound_output, "output")
    if face_camera is not None:
        _check_face_camera(face_camera)
    with tempfile.TemporaryDirectory(prefix="vividlive-webcam-") as folder:
        bundle = Path(folder) / "webcam.avatar"
        camera = open_camera(backend, width, height, device)  # type: ignore[arg-type]  # checked above
        try:
            person = _person(avatar, photo, rights, face)
            canvas = make_background(background, person, width, height)
            dressed(person, canvas).save(bundle)
        except BaseException:
            camera.close()
            raise
        stdout.print(
            f"the camera is {camera.name!r}, {width} x {height}; Ctrl-C ends it",
            markup=False,
            highlight=False,
        )
        try:
            run_until_interrupted(
                WebcamSettings(
                    bundle=bundle,
                    background=canvas,
                    live=live,
                    microphone=microphone,
                    speech=speech,
                    sound_output=sound_output,
                    face_camera=face_camera,
                    badge=badge,
                    seed=seed,
                    expressiveness=expressiveness,
                    head_motion=head_motion,
                    mood=mood,
                ),
                camera,
                _show,
            )
        finally:
            end_line()


def _check_face_camera(name: str) -> None:
    """Open it once: what is wrong is said before anything else begins."""
    from streaming.face_camera import FaceCamera

    camera = FaceCamera(name)
    camera.open()
    camera.close()


def _person(avatar: Path | None, photo: Path | None, rights: RightsChoice, face: int | None) -> "Avatar":
    """The avatar that was asked for; the bundled portrait is ready when ``serve`` has made it before."""
    from engine.avatar.avatar import Avatar
    from streaming.avatars import BUNDLED, PORTRAITS, AvatarStore, default_data_dir, portrait_key

    if avatar is not None:
        return Avatar.load(avatar)
    if photo is not None:
        return make_avatar(photo, rights, face)
    name = next(iter(BUNDLED))
    portrait = next(path for path in PORTRAITS.iterdir() if path.stem == name)
    store = AvatarStore(default_data_dir() / "avatars", float("inf"))
    if store.has(name) and store.get(name).key == portrait_key(portrait):
        return Avatar.load(store.bundle(name))
    return make_avatar(portrait, RightsChoice.public_domain, None)


def _show(report: "WebcamReport") -> None:
    line = (
        f"{report.fps:4.1f} frames a second, {report.latency_ms:.0f} ms after the sound, "
        f"{report.frame_ms:.1f} ms to draw and send, {report.repeated} repeated"
    )
    if report.face is not None:
        line += ", face seen" if report.face.seen else f", by voice: {report.face.words}"
    write_over(line)


def _list_devices() -> None:
    from streaming.camera.outputs import camera_ways
    from streaming.face_camera import list_cameras
    from streaming.sound_card import device_names

    try:
        sounds: dict[str, Any] = dict(device_names())
    except UnavailableError as error:
        sounds = {"sound": [str(error)]}
    shown = {
        "microphones": sounds.get("input", []),
        "sound outputs": sounds.get("output", []),
        **({"sound": sounds["sound"]} if "sound" in sounds else {}),
        "face cameras": [f"{one.label} ({one.device})" for one in list_cameras()],
        "cameras": camera_ways(),
    }
    for title, names in shown.items():
        stdout.print(f"{title}:", markup=False, highlight=False)
        for name in names or ["none"]:
            stdout.print(f"  {name}", markup=False, highlight=False, soft_wrap=True)
