"""Draws the world without a display: EGL and OpenGL 3.3, on a GPU or on Mesa's software rasteriser."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import moderngl
import numpy as np

from atvio_ros.errors import RenderError
from atvio_ros.rendering import shaders
from atvio_ros.rendering.mesh import VERTEX, Batch, Quads
from atvio_ros.rendering.optics import Face, Optics
from atvio_ros.rendering.road import CHUNK_M
from atvio_ros.rendering.shadows import CELL_M, COLUMNS
from atvio_ros.rendering.sky import dome
from atvio_ros.rendering.world import World
from atvio_ros.types import FloatArray, ImageArray

NEAR_M = 0.3
AHEAD_M, BEHIND_M, DETAIL_AHEAD_M = 260.0, 64.0, 110.0
SHADOW_ROWS = 2048  # of the strip around the camera that the GPU holds, as a ring
MOVING_QUADS = 8192


class Renderer:
    """Draws images of one world; a context manager that frees the GPU's memory.

    Raises RenderError where no EGL is installed.
    """

    def __init__(self, world: World, optics: Optics, near_m: float = NEAR_M) -> None:
        self._world = world
        self._optics = optics
        self._near_m = near_m
        self._gl = gl = _context()
        gl.front_face = 'cw'  # anticlockwise from outside, mirrored by the image's downward y
        sizes = [face.size for face in optics.faces]
        self._targets = [gl.framebuffer([gl.texture(size, 4)], gl.depth_renderbuffer(size)) for size in sizes]
        self._pixels = [np.empty((height, width, 4), np.uint8) for width, height in sizes]
        self._textures = _texture_array(gl, world.textures)
        self._panorama = gl.texture(world.panorama.shape[1::-1], 3, world.panorama.tobytes())
        self._panorama.repeat_y = False
        self._panorama.build_mipmaps()
        self._panorama.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        self._shadows = gl.texture((COLUMNS, SHADOW_ROWS), 1, alignment=1)
        self._shadows.repeat_x = False
        self._shadow_chunks: dict[int, int] = {}
        self._programs = {
            'ground': gl.program(shaders.VERTEX, shaders.GROUND),
            'solid': gl.program(shaders.VERTEX, shaders.SOLID),
            'leaves': gl.program(shaders.VERTEX, shaders.LEAVES),
            'sky': gl.program(shaders.SKY_VERTEX, shaders.SKY),
        }
        quads = max([MOVING_QUADS] + [len(b.vertices) for b in (world.ground, world.solid, world.detail, world.leaves)])
        pattern = np.array((0, 1, 2, 0, 2, 3), np.uint32)
        self._indices = gl.buffer((pattern + 4 * np.arange(quads, dtype=np.uint32)[:, None]).tobytes())
        self._ground = self._array('ground', world.ground.vertices)
        self._solid = self._array('solid', world.solid.vertices)
        self._detail = self._array('solid', world.detail.vertices)
        self._leaves = self._array('leaves', world.leaves.vertices)
        self._moving_buffer = gl.buffer(reserve=MOVING_QUADS * 4 * VERTEX.itemsize, dynamic=True)
        self._moving = self._vertex_array('solid', self._moving_buffer)
        directions, uv = dome()
        sky = np.concatenate((directions, uv), axis=2).astype(np.float32)
        self._sky = gl.vertex_array(
            self._programs['sky'], [(gl.buffer(sky.tobytes()), '3f 2f', 'direction', 'uv')], self._indices
        )
        self._sky_quads = len(sky)
        self._set_constants()

    def __enter__(self) -> Renderer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gl.release()

    def render(self, T_world_camera: FloatArray, way_m: float, time_s: float = 0.0) -> ImageArray:
        """Image (H, W, 3) RGB from a camera pose (4, 4) `way_m` along the road, as the lens would throw it."""
        self._load_shadows(way_m)
        traffic = self._world.traffic
        moving = None if traffic is None else traffic.at(time_s, way_m)
        for face, target, pixels in zip(self._optics.faces, self._targets, self._pixels, strict=True):
            self._draw_face(face, target, T_world_camera, way_m, moving)
            target.read_into(pixels, components=4, alignment=1)
        return self._optics.image(self._pixels)

    def _draw_face(
        self, face: Face, target: Any, T_world_camera: FloatArray, way_m: float, moving: Quads | None
    ) -> None:
        world = self._world
        R_face_world = face.R_camera_face.T @ T_world_camera[:3, :3].T
        view = np.block([[R_face_world, np.zeros((3, 1))], [np.zeros((1, 3)), np.eye(1)]])
        clip = face.pinhole.clip_matrix(self._near_m) @ view
        target.use()
        target.clear(depth=1.0)
        self._gl.enable(moderngl.DEPTH_TEST | moderngl.CULL_FACE)  # back faces cost a third of the time
        eye = tuple(T_world_camera[:3, 3])
        for program in self._programs.values():
            program['clip'].write(clip.T.astype(np.float32).tobytes())
            if 'eye' in program:
                program['eye'] = eye
        self._draw(self._solid, world.solid, way_m, AHEAD_M)
        self._draw(self._detail, world.detail, way_m, DETAIL_AHEAD_M)
        if moving is not None:
            self._draw_moving(moving)
        self._draw(self._ground, world.ground, way_m, AHEAD_M)
        self._gl.disable(moderngl.CULL_FACE)  # leaves have two sides
        self._draw(self._leaves, world.leaves, way_m, AHEAD_M)
        self._sky.render(vertices=6 * self._sky_quads)

    def _draw(self, array: Any, batch: Batch, way_m: float, ahead_m: float) -> None:
        chunks = len(batch.starts) - 1
        first = int(np.clip((way_m - BEHIND_M) // CHUNK_M, 0, chunks))
        last = int(np.clip((way_m + ahead_m) // CHUNK_M + 1, 0, chunks))
        start, end = int(batch.starts[first]), int(batch.starts[last])
        if end > start:
            array.render(vertices=6 * (end - start), first=6 * start)

    def _draw_moving(self, parts: Quads) -> None:
        if len(parts):
            parts = parts[:MOVING_QUADS]
            self._moving_buffer.write(np.ascontiguousarray(parts).tobytes())
            self._moving.render(vertices=6 * len(parts))

    def _load_shadows(self, way_m: float) -> None:
        """Bring the strip of shadows around the camera into the ring: pieces of one chunk, at most once each."""
        rows = int(CHUNK_M / CELL_M)
        slots = SHADOW_ROWS // rows
        first = int((way_m - BEHIND_M) // CHUNK_M) - 1
        for chunk in range(first, first + slots - 1):
            slot = chunk % slots
            if self._shadow_chunks.get(slot) == chunk:
                continue
            self._shadow_chunks[slot] = chunk
            piece = self._world.shadows[max(0, chunk * rows) : max(0, (chunk + 1) * rows)]
            if piece.shape == (rows, COLUMNS):
                viewport = (0, slot * rows, COLUMNS, rows)
                self._shadows.write(np.ascontiguousarray(piece).tobytes(), viewport=viewport, alignment=1)

    def _array(self, program: str, vertices: Quads) -> Any:
        data = np.ascontiguousarray(vertices).tobytes()
        buffer = self._gl.buffer(data) if data else self._gl.buffer(reserve=VERTEX.itemsize)
        return self._vertex_array(program, buffer)

    def _vertex_array(self, program: str, buffer: Any) -> Any:
        names = {'position': '3f', 'uv': '2f', 'road': '2f', 'colour': '4f1', 'layer': '4u1'}
        used = self._programs[program]
        layout = ' '.join(form if name in used else _padding(form) for name, form in names.items())
        return self._gl.vertex_array(used, [(buffer, layout, *(name for name in names if name in used))], self._indices)

    def _set_constants(self) -> None:
        look = self._world.appearance
        light = look.light
        flat = light.sun * max(light.direction[2], 0.0) + light.sky
        constants = {
            'textures': 0,
            'shadows': 1,
            'panorama': 2,
            'haze': tuple(look.haze * (light.sky.mean() + 0.4) * look.exposure),
            'haze_density': look.haze_density,
            'exposure': look.exposure,
            'shade': tuple(light.sky / np.maximum(flat, 1e-6)),
            'shadow_scale': (1.0 / (SHADOW_ROWS * CELL_M), 1.0 / (COLUMNS * CELL_M)),
        }
        for program in self._programs.values():
            for name, value in constants.items():
                if name in program:
                    program[name] = value
        for unit, texture in enumerate((self._textures, self._shadows, self._panorama)):
            texture.use(unit)


def _context() -> Any:
    """A standalone OpenGL context. Raises RenderError with the package to install."""
    try:
        return moderngl.create_context(require=330, standalone=True, backend='egl')  # type: ignore[arg-type]
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        reason = ' '.join(str(error).split())
        raise RenderError(
            f'Headless OpenGL (EGL) is not available: {reason}. '
            'On Debian and Ubuntu: apt install libegl1 libgl1-mesa-dri (older: libegl-mesa0).'
        ) from error


def _texture_array(gl: Any, images: ImageArray) -> Any:
    layers, height, width, _ = images.shape
    texture = gl.texture_array((width, height, layers), 4, np.ascontiguousarray(images).tobytes())
    texture.build_mipmaps()
    texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
    return texture


def _padding(form: str) -> str:
    """Bytes to skip for an attribute that a program does not use."""
    return {'3f': '12x', '2f': '8x', '4f1': '4x', '4u1': '4x'}[form]
