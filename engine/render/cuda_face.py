"""What the host tells the GPU: once, all that it keeps of a face, and for every frame what follows from its motion.

Convention:
    A row of a batch is one face. V counts vertices with one more at the end that belongs to nothing: index lists are
    padded with its number, so that whatever is read or written there has no effect. ``Room`` has the sizes.
    Lights: every ``InnerLight`` of the face and its mouth's shadow, K in all, edges of P points, at most Q lit vertices.
    Lips: L places of the contact lines, M vertices that follow them, T of the teeth's edge.
    A neural face is what its geometric one is, and more: ``engine.render.cuda_neural`` reads that.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import UnavailableError
from engine.motion.values import Motion
from engine.render.cuda_batch import Arrays, PreparedFace, Room
from engine.render.cuda_drive import SHAPES
from engine.render.drive import head_rotation
from engine.render.geometric import GeometricRenderer
from engine.render.light import InnerLight
from engine.render.neural.renderer import NeuralRenderer

Face = GeometricRenderer | NeuralRenderer


def geometric(face: Face) -> GeometricRenderer:
    """What draws a face's geometric frames."""
    return face.geometric if isinstance(face, NeuralRenderer) else face


def room_for(drawn: Sequence[Face]) -> Room:
    """Room for every one of these faces."""
    guides = [face.guidance for face in drawn if isinstance(face, NeuralRenderer)]
    faces = [geometric(face) for face in drawn]

    def most(sizes: list[int]) -> int:
        return max(sizes, default=1)

    lights = [light for face in faces for light in _lights(face)]
    lips = [face.driver.lips for face in faces if face.driver.lips is not None]
    tops = [face.driver.top for face in faces if face.driver.top is not None]
    return Room(
        vertices=1 + max(len(face.driver.neutral) for face in faces),
        lights=most([len(_lights(face)) for face in faces]),
        edge=most([len(light.upper) for light in lights]),
        lit=most([len(light.lit) for light in lights]),
        lips=most([len(lip.lines) for lip in lips]),
        followers=most([len(lip.vertex) for lip in lips]),
        teeth=most([len(lip.teeth) for lip in lips]),
        top=most([len(edge) for edge, _, _ in tops]),
        outlines=most([len(face.outlines) for face in faces]),
        outline=most([len(o.vertices) for face in faces for o in face.outlines]),
        sets=max(len(face.attributes) for face in faces),
        layers=max(len(face.layers) for face in faces),
        triangles=most([len(layer.triangles) for face in faces for layer in face.layers]),
        skin=max((len(guide.skin) for guide in guides), default=0),
        canvas=max((guide.portrait.canvas_side for guide in guides), default=0),
    )


def prepare(drawn: Face, room: Room) -> PreparedFace:
    """All that the GPU keeps of one face.

    Raises:
        UnavailableError: the face needs more room.
    """
    needs = room_for([drawn])
    short = [name for name, have in vars(room).items() if getattr(needs, name) > have]
    if short:
        raise UnavailableError(
            f"expected a face with room for its {', '.join(short)} in this batch: make the batch with this face"
        )
    face = geometric(drawn)
    arrays = {
        **_mesh(face, room),
        **_lips(face, room),
        **_light_arrays(face, room),
        **_box_arrays(face, room),
        **(_neural(drawn, room) if isinstance(drawn, NeuralRenderer) else {}),
    }
    return PreparedFace(face.size, face.scale, face.background, face.layers, arrays)


def controls(
    face: GeometricRenderer,
    motion: Motion,
    supersample: bool,
    out: NDArray[np.float32],
    strength: float = 1.0,
) -> None:
    """Fill one row of controls, float32 [CONTROL_COUNT]; strength: see ``NeuralRenderer.render``."""
    motion = motion.clamped()
    rotation, nearness = head_rotation(*motion.pose[:3].tolist()), face.driver.nearness(motion)
    turn, shift = face.driver.carried(motion, rotation)
    light = face.head_light.turned(rotation)
    amounts, opacity = face.driver.amounts(motion, nearness), face.photo_opacity(motion, nearness)
    rest = [opacity], [supersample], [min(max(strength, 0.0), 1.0)]
    parts = amounts, turn.ravel(), shift, face.driver.torso_shift(motion), motion.lip_offsets, light, *rest
    np.concatenate(parts, out=out, casting="same_kind")
    # A value that is not finite would spread over the whole batch's products: such a frame shows the face at rest.
    if not np.isfinite(out).all():
        out[:] = 0


def _mesh(face: GeometricRenderer, room: Room) -> Arrays:
    driver, light = face.driver, face.head_light
    nothing = room.vertices - 1
    deltas = np.zeros((SHAPES, room.vertices, 3), np.float32)
    deltas[:, driver.moving] = driver.deltas.reshape(SHAPES, -1, 3)
    top_edge, top_reach = np.full(room.top, nothing), np.zeros(room.vertices, np.float32)
    if driver.top is not None:
        edge, above, reach = driver.top
        top_edge[: len(edge)] = edge
        top_reach[above] = reach
    coordinates = np.zeros((room.sets, room.vertices, 2), np.float32)
    coordinates[: len(face.attributes), : len(driver.neutral)] = face.attributes[..., :2]
    if face.shadow is not None:
        coordinates[0, face.shadow.lit, 0] = face.no_shadow
    return {
        "neutral": _rows(driver.neutral, room.vertices).reshape(1, -1),
        "deltas": deltas.reshape(SHAPES, -1),
        "torso": _rows(driver.torso, room.vertices),
        "rigid": _rows(driver.rigid, room.vertices),
        "top_edge": top_edge,
        "top_reach": top_reach,
        "coordinates": coordinates,
        "shade": _rows(face.avatar.shade, room.vertices),
        "normals": _rows(light.normals, room.vertices),
        "light_weight": _rows(light.weight, room.vertices),
    }


def _lips(face: GeometricRenderer, room: Room) -> Arrays:
    """The constants of ``LipOffsets``, on whole lists of the lines' places: masks say which are the lower lip's."""
    nothing, places = room.vertices - 1, room.lips
    made: Arrays = {
        "lip_lines": np.full(places, nothing),
        "lip_place": np.zeros(places, np.int64),
        "lip_vertex": np.full(room.followers, nothing),
        "lip_spread": np.zeros((room.followers, places), np.float32),
        "lip_fields": np.zeros((3, room.followers, 3), np.float32),
        "lip_apart": np.zeros((places, places), np.float32),
        "lip_teeth": np.full(room.teeth, nothing),
        "lip_on_teeth": np.zeros((places, room.teeth), np.float32),
        "lip_ends": np.zeros(2, np.int64),
        "lip_unit": np.ones(1, np.float32),
        "lip_has_teeth": np.zeros(1, np.float32),
    }
    of_place = ("closer", "overlap", "skewed", "calm_depth", "lift", "middle", "lower", "inner")
    made |= {f"lip_{name}": np.zeros(places, np.float32) for name in of_place}
    lips = face.driver.lips
    if lips is not None:
        count, followers, cut = len(lips.lines), len(lips.vertex), lips.cut
        made["lip_lines"][:count], made["lip_place"][:count] = lips.lines, lips.place
        made["lip_vertex"][:followers] = lips.vertex
        made["lip_spread"][:followers, :count] = lips.spread
        made["lip_fields"][:, :followers] = lips.fields.reshape(3, -1, 3)
        made["lip_apart"][:count, :count] = lips.apart
        made["lip_ends"][1], made["lip_unit"][0] = cut - 1, lips.unit
        if len(lips.teeth):
            made["lip_teeth"][: len(lips.teeth)] = lips.teeth
            made["lip_on_teeth"][cut:count, : len(lips.teeth)] = lips.on_teeth
            made["lip_has_teeth"][0] = 1
        for name in ("closer", "overlap", "skewed", "calm_depth", "middle"):
            made[f"lip_{name}"][:count] = getattr(lips, name).reshape(-1)
        made["lip_lift"][:cut] = lips.lift.reshape(-1)
        made["lip_lower"][cut:count] = 1
        made["lip_inner"][cut + 1 : count - 1] = 1
    made["lip_fields"] = made["lip_fields"].reshape(3, -1)
    return made


def _lights(face: GeometricRenderer) -> list[InnerLight]:
    return [*face.lights, *([face.shadow] if face.shadow is not None else [])]


def _light_arrays(face: GeometricRenderer, room: Room) -> Arrays:
    nothing, kinds = room.vertices - 1, room.lights
    made: Arrays = {
        "edge_upper": np.full((kinds, room.edge), nothing),
        "edge_lower": np.full((kinds, room.edge), nothing),
        "lit": np.full((kinds, room.lit), nothing),
        "light_neutral": np.ones((kinds, room.lit), np.float32),
    }
    numbers = {name: np.ones(kinds, np.float32) for name in ("full", "closed", "growth", "reach", "most")}
    for name in ("shadow", "lower_shadow", "local", "as_shade", "texels"):
        numbers[name] = np.zeros(kinds, np.float32)
    numbers["most"][:] = np.inf
    for k, light in enumerate(_lights(face)):
        opening = light.opening
        for name, edge in (("edge_upper", light.upper), ("edge_lower", light.lower)):
            made[name][k] = np.pad(edge, (0, room.edge - len(edge)), mode="edge")
        made["lit"][k, : len(light.lit)] = light.lit
        made["light_neutral"][k, : len(light.lit)] = light.neutral
        numbers["full"][k] = opening.full_gap * light.width
        numbers["closed"][k], numbers["growth"][k] = opening.closed_light, opening.growth
        numbers["reach"][k] = opening.shadow_reach * light.width
        numbers["shadow"][k], numbers["lower_shadow"][k] = opening.shadow, opening.lower_shadow
        numbers["local"][k] = opening.local
        numbers["most"][k] = 1 if opening.as_photo else np.inf
        numbers["as_shade"][k] = light is not face.shadow
        numbers["texels"][k] = face.shadow_texels if light is face.shadow else 0
    return made | {f"light_{name}": values for name, values in numbers.items()}


def _box_arrays(face: GeometricRenderer, room: Room) -> Arrays:
    outlines = np.full((room.outlines, room.outline), room.vertices - 1)
    margins, drawn = np.zeros(room.outlines, np.float32), np.zeros(room.outlines, np.int32)
    fine = np.zeros(room.outlines, np.int32)
    for k, outline in enumerate(face.outlines):
        outlines[k] = np.pad(outline.vertices, (0, room.outline - len(outline.vertices)), mode="edge")
        margins[k], drawn[k], fine[k] = outline.margin_px, 1, outline.fine
    scale = np.full(1, face.scale, np.float32)
    return {
        "outlines": outlines,
        "box_margins": margins,
        "box_drawn": drawn,
        "box_fine": fine,
        "scale": scale,
    }


def _neural(face: NeuralRenderer, room: Room) -> Arrays:
    """What ``CudaRefiner`` reads: the mesh on the guide's grid, the photo, and ``Portrait`` by its fields' names."""
    guidance, view = face.guidance, face.guidance.view
    skin = np.full((room.skin, 3), room.vertices - 1, np.int32)
    skin[: len(guidance.skin)] = guidance.skin
    known = guidance.portrait
    beyond = room.canvas - known.canvas_side

    def on_canvas(picture: NDArray[Any]) -> NDArray[Any]:
        """Places beyond the canvas are looked up at its edge, as on a CPU."""
        square = picture.reshape(known.canvas_side, known.canvas_side)
        return np.pad(square, (0, beyond), mode="edge").reshape(-1)

    named = ("corner", "cell", "place", "person", "vertex", "weight", "edges", "lips")
    return {
        "guide_skin": skin,
        "guide_attributes": _rows(guidance.attributes, room.vertices),
        "guide_view": np.array([*guidance.corner, guidance.scale], np.float32),
        "guide_box": np.array([view.x, view.y, view.side], np.int32),
        "guide_reference": guidance.reference,
        "guide_photo": face.photo,
        "portrait_covered": on_canvas(known.covered),
        "portrait_face": on_canvas(known.face),
        **{f"portrait_{name}": getattr(known, name) for name in named},
    }


def _rows(array: NDArray[Any], rows: int) -> NDArray[np.float32]:
    """The array with zeros up to ``rows`` rows."""
    flat = np.asarray(array, np.float32)
    flat = flat[:, 0] if flat.ndim == 2 and flat.shape[1] == 1 else flat
    made = np.zeros((rows, *flat.shape[1:]), np.float32)
    made[: len(flat)] = flat
    return made
