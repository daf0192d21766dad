"""Draws the world without a display: EGL and OpenGL 3.3, on a GPU or on Mesa's software rasteriser."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import moderngl
import numpy as np

from atvio_ros.rendering import shaders
from atvio_ros.rendering.mesh import VERTEX, Batch, Quads
from atvio_ros.rendering.mirror import MIRROR_UNIT, Mirror, RoadPlane
from atvio_ros.rendering.opengl import context, padding, sampler, texture_array
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
FINE_SUPERSAMPLING = 2.0
AMBIENT, STREET_LAMPS, LAMP_HEIGHT_M = 0.03, 0.8, 0.65  # at night, in daylight; of headlights


class Renderer:
    """Draws images of one world; a context manager that frees the GPU's memory.

    Raises RenderError where no EGL is installed.
    """

    def __init__(self, world: World, optics: Optics, near_m: float = NEAR_M) -> None:
        self._world = world
        self._optics = optics
        self._near_m = near_m
        self._gl = gl = context()
        gl.front_face = 'cw'  # anticlockwise from outside, mirrored by the image's downward y
        sizes = [face.size for face in optics.faces]
        self._targets = [gl.framebuffer([gl.texture(size, 4)], gl.depth_renderbuffer(size)) for size in sizes]
        self._pixels = [np.empty((height, width, 4), np.uint8) for width, height in sizes]
        self._textures = texture_array(gl, world.textures)
        self._ground_sampler = sampler(gl, moderngl.LINEAR_MIPMAP_LINEAR)
        # With many samples a pixel nobody sees where one mipmap level ends: a sixth of the time is saved.
        fine = optics.supersampling >= FINE_SUPERSAMPLING
        self._things_sampler = sampler(gl, moderngl.LINEAR_MIPMAP_NEAREST) if fine else self._ground_sampler
        self._panorama = gl.texture(world.panorama.shape[1::-1], 3, world.panorama.tobytes())
        self._panorama.repeat_y = False
        self._panorama.build_mipmaps()
        self._panorama.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        self._shadows = gl.texture((COLUMNS, SHADOW_ROWS), 1, alignment=1)
        self._shadows.repeat_x = False
        self._shadow_chunks: dict[int, int] = {}
        self._night = world.conditions.night != 'none'
        self._mirror = Mirror(gl, sizes) if world.conditions.wet else None
        self._programs = self._compile(gl)
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
        return self.render_rows(T_world_camera[None], np.array([way_m]), np.array([time_s]))

    def render_rows(self, T_world_camera: FloatArray, way_m: FloatArray, times_s: FloatArray) -> ImageArray:
        """Image (H, W, 3) RGB in bands of rows from the first to the last, each seen from its own pose (K, 4, 4)."""
        edges = np.round(np.linspace(0, self._optics.height / 2, len(T_world_camera) + 1)).astype(int) * 2
        edges[-1] = self._optics.height
        middle = len(way_m) // 2
        self._load_shadows(float(way_m[middle]))
        parts = []
        for pose, way, time_s, first, last in zip(T_world_camera, way_m, times_s, edges[:-1], edges[1:], strict=True):
            traffic = self._world.traffic
            moving = None if traffic is None else traffic.at(float(time_s), float(way))
            for i, (face, target, pixels) in enumerate(
                zip(self._optics.faces, self._targets, self._pixels, strict=True)
            ):
                begin, end = self._optics.rows(i, int(first), int(last))
                if end > begin:
                    self._draw_face(i, face, pose, float(way), moving, (begin, end))
                    viewport = (0, begin, face.size[0], end - begin)
                    target.read_into(pixels[begin:end], viewport=viewport, components=4, alignment=1)
            parts.append(self._optics.image(self._pixels, int(first), int(last)))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _draw_face(
        self,
        index: int,
        face: Face,
        T_world_camera: FloatArray,
        way_m: float,
        moving: Quads | None,
        rows: tuple[int, int],
    ) -> None:
        """Draw rows from the first up to the last of a face."""
        if moving is not None and len(moving):
            self._moving_buffer.write(np.ascontiguousarray(moving[:MOVING_QUADS]).tobytes())
        view = np.eye(4)
        view[:3, :3] = face.R_camera_face.T @ T_world_camera[:3, :3].T
        clip = face.pinhole.clip_matrix(self._near_m) @ view
        eye = T_world_camera[:3, 3]
        self._set('eye', tuple(eye))
        world = self._world
        plane = RoadPlane.under(world.road, way_m) if world.road is not None and (self._mirror or self._night) else None
        if plane is not None and self._night:
            self._aim_headlights(T_world_camera, plane)
        if plane is not None and self._mirror is not None:
            reflection = plane.reflection(eye)
            self._mirror.begin(index)
            self._set('mirror_scale', (1.0 / face.size[0], 1.0 / face.size[1]))
            self._draw_all(clip @ reflection, way_m, moving, ground=False)
            self._mirror.end(index)
        target = self._targets[index]
        target.scissor = None if rows == (0, face.size[1]) else (0, rows[0], face.size[0], rows[1] - rows[0])
        target.use()
        target.clear(depth=1.0)
        self._draw_all(clip, way_m, moving)

    def _draw_all(self, clip: FloatArray, way_m: float, moving: Quads | None, ground: bool = True) -> None:
        """Draw what the matrix (4, 4), from places relative to the eye to clip space, shows."""
        world = self._world
        self._set_matrix(('ground', 'solid', 'leaves'), clip)
        far = clip.copy()
        far[:2, 3] = far[3, 3] = 0.0  # the sky is as far away in the mirror, too
        self._set_matrix(('sky',), far)
        self._gl.enable(moderngl.DEPTH_TEST | moderngl.CULL_FACE)  # back faces cost a third of the time
        self._things_sampler.use(0)
        self._draw(self._solid, world.solid, way_m, AHEAD_M)
        self._draw(self._detail, world.detail, way_m, DETAIL_AHEAD_M)
        if moving is not None and len(moving):
            self._moving.render(vertices=6 * min(len(moving), MOVING_QUADS))
        if ground:
            self._ground_sampler.use(0)
            self._draw(self._ground, world.ground, way_m, AHEAD_M)
            self._things_sampler.use(0)
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
        layout = ' '.join(form if name in used else padding(form) for name, form in names.items())
        return self._gl.vertex_array(used, [(buffer, layout, *(name for name in names if name in used))], self._indices)

    def _compile(self, gl: Any) -> dict[str, Any]:
        """The programs, with the code that the conditions need."""
        night, wet = self._night, self._mirror is not None
        defines = [name for name, used in (('NIGHT', night), ('WET', wet), ('PLACE', night or wet)) if used]
        lights = [shaders.HEADLIGHTS] if night else []
        mirror = [shaders.MIRROR] if wet else []
        if self._world.conditions.markings != 'ordinary':
            defines.append('PAINT')
        things = shaders.source(shaders.VERTEX, defines=['PLACE'] if night else [])
        return {
            'ground': gl.program(
                shaders.source(shaders.VERTEX, defines=defines),
                shaders.source(shaders.GROUND, *lights, *mirror, defines=defines),
            ),
            'solid': gl.program(things, shaders.source(shaders.SOLID, *lights, defines=['NIGHT'] if night else [])),
            'leaves': gl.program(things, shaders.source(shaders.LEAVES, *lights, defines=['NIGHT'] if night else [])),
            'sky': gl.program(shaders.SKY_VERTEX, shaders.SKY),
        }

    def _set(self, name: str, value: Any) -> None:
        """A constant of all programs that have it."""
        for program in self._programs.values():
            if name in program:
                program[name] = value

    def _set_matrix(self, programs: tuple[str, ...], clip: FloatArray) -> None:
        data = clip.T.astype(np.float32).tobytes()
        for name in programs:
            self._programs[name]['clip'].write(data)

    def _aim_headlights(self, T_world_camera: FloatArray, plane: RoadPlane) -> None:
        """Headlights ahead of the camera, along the road's plane and no higher than a car's over it."""
        eye, optical = T_world_camera[:3, 3], T_world_camera[:3, 2]
        height = float((eye - plane.point) @ plane.normal)
        lamp_height = min(LAMP_HEIGHT_M, height)
        ahead = optical - (optical @ plane.normal) * plane.normal
        self._set('lamp', tuple((lamp_height - height) * plane.normal))
        self._set('ahead', tuple(ahead / np.linalg.norm(ahead)))
        self._set('up', tuple(plane.normal))
        self._set('lamp_height', lamp_height)

    def _set_constants(self) -> None:
        look = self._world.appearance
        light = look.light
        flat = light.sun * max(light.direction[2], 0.0) + light.sky
        constants: dict[str, Any] = {
            'textures': 0,
            'shadows': 1,
            'panorama': 2,
            'haze': tuple(look.haze * (light.sky.mean() + 0.4) * look.exposure),
            'haze_density': look.haze_density,
            'exposure': look.exposure,
            'shade': tuple(light.sky / np.maximum(flat, 1e-6)),
            'shadow_scale': (1.0 / (SHADOW_ROWS * CELL_M), 1.0 / (COLUMNS * CELL_M)),
        }
        conditions, asphalt = self._world.conditions, self._world.asphalt_layers
        if conditions.markings != 'ordinary':
            constants['paint_layer'] = asphalt[2]
        if self._night:
            lamps = STREET_LAMPS if conditions.night == 'lamps' else 0.0
            constants |= {
                'ambient': AMBIENT + 0.1 * lamps,
                'lamp_spacing': 25.0,
                'colour_of_lamps': (lamps, 0.9 * lamps, 0.7 * lamps),
            }
            constants['haze'] = tuple(AMBIENT * np.array(constants['haze']))
        if self._mirror is not None:
            constants |= {'mirror': MIRROR_UNIT, 'wet': conditions.wet, 'asphalt': asphalt}
        for name, value in constants.items():
            self._set(name, value)
        if self._night:
            self._programs['sky']['exposure'] = AMBIENT * look.exposure
        for unit, texture in enumerate((self._textures, self._shadows, self._panorama)):
            texture.use(unit)
