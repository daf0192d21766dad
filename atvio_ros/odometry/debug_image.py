"""A picture of what the odometry sees, by which a person judges a calibration: on the road, the grid lies flat; the
horizon is where the world ends; the cross is where the robot goes.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.odometry.sight import Sight
from atvio_ros.types import FloatArray, FramePair, ImageArray, OdometryEstimate, PairGeometry
from atvio_ros.view.road import RoadView
from atvio_ros.view.virtual_camera import KITTI_VIEW

WIDTH, HEIGHT = 832, 384  # of the level view: twice as wide as what networks see, and taller
LEVEL = KITTI_VIEW.resized(WIDTH, 256).cropped(0, -64, WIDTH, HEIGHT)
ROWS_M = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0)  # lines across the road, from two camera heights on
LANES_M = (-5.25, -1.75, 1.75, 5.25)  # lines along it: edges of lanes of 3.5 m
FARTHEST_M = 60.0
ROAD_LENGTH_H, ROAD_WIDTH_H = 12.0, 6.0  # of the view from above, in camera heights
ARROW_S = 0.5  # the arrow of the speed is the way of so long
LINE = 18  # px, of text

GREEN, YELLOW, RED, WHITE, BLACK = (80, 220, 80), (40, 220, 240), (60, 60, 240), (255, 255, 255), (0, 0, 0)
UNSEEN = 60  # grey level of what the camera does not see
_COLOURS = {'tracking': GREEN, 'stationary': GREEN, 'degraded': YELLOW, 'waiting': YELLOW}  # BGR


def draw_debug(
    pair: FramePair, estimate: OdometryEstimate, sight: Sight | None, state: str = '', estimator: str = ''
) -> ImageArray:
    """The picture (H, W, 3) BGR of the second image of a pair, whose estimate is given.

    With a sight: the level view, its horizon, direction of travel and road grid, and the road from above beside it.
    Without one, as for the paper's networks: the image that the network sees. `state` and `estimator` are text.
    """
    geometry = estimate.geometry
    if sight is None or geometry is None:
        picture = _enlarged(pair.current.image)
    else:
        R_camera_level = sight.R_camera_stored @ geometry.R_image_level
        image = _darkened(pair.current.image, sight.stored.mask)
        level = _level_view(image, sight, R_camera_level)
        road = _road_view(image, sight, R_camera_level)
        _draw_way(road, estimate, pair.interval_s, sight.camera_height)
        picture = np.hstack((level, road))
    return np.vstack((picture, _text(estimate, state, estimator, picture.shape[1])))


def _darkened(image: ImageArray, mask: NDArray[np.bool_]) -> ImageArray:
    """A kept image (H, W, C) whose pixels that the camera does not see, where `mask` is False, are as dark as what lies
    outside it: then all views are drawn in one go.
    """
    return image if mask.all() else np.where(mask[:, :, None], image, np.uint8(UNSEEN))


def _drawn(image: ImageArray, H: FloatArray, width: int, height: int) -> ImageArray:
    """View (height, width, 3) BGR of an image, by the homography from its pixels to those of the image."""
    view = cv2.warpPerspective(
        image,
        H,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(UNSEEN,) * 3,
    )
    return _coloured(np.asarray(view, dtype=np.uint8).reshape(height, width, -1))


def _level_view(image: ImageArray, sight: Sight, R_camera_level: FloatArray) -> ImageArray:
    h = sight.camera_height
    view = _drawn(image, sight.stored.homography(LEVEL, R_camera_level), WIDTH, HEIGHT)
    middle = round(LEVEL.cx), round(LEVEL.cy)
    cv2.line(view, (0, middle[1]), (WIDTH - 1, middle[1]), YELLOW, 1, cv2.LINE_AA)
    nearest = 0.8 * LEVEL.fy * h / (HEIGHT - LEVEL.cy)
    for row in _rows(h):
        left, right = (_on_image(x, row, h) for x in (LANES_M[0], LANES_M[-1]))
        cv2.line(view, left, right, GREEN, 1, cv2.LINE_AA)
        if 0 <= right[1] < HEIGHT:
            _write(view, f'{row:g} m', (min(right[0], WIDTH - 45) + 3, right[1] + 4), GREEN)
    for lane in LANES_M:
        cv2.line(view, _on_image(lane, nearest, h), _on_image(lane, FARTHEST_M, h), GREEN, 1, cv2.LINE_AA)
    cv2.drawMarker(view, middle, RED, cv2.MARKER_CROSS, 25, 2, cv2.LINE_AA)
    expected = R_camera_level.T @ sight.rig.expected_direction.vector  # by the rig alone
    if expected[2] > 0.1:
        u, v = LEVEL.cx + LEVEL.fx * expected[0] / expected[2], LEVEL.cy + LEVEL.fy * expected[1] / expected[2]
        cv2.circle(view, (round(u), round(v)), 7, RED, 1, cv2.LINE_AA)
    return view


def _road_view(image: ImageArray, sight: Sight, R_camera_level: FloatArray) -> ImageArray:
    """The road from above, HEIGHT pixels for ROAD_LENGTH_H."""
    h, stored, cell = sight.camera_height, sight.stored, ROAD_LENGTH_H / HEIGHT
    near = cell  # nothing is beneath the camera itself
    road = RoadView(near, near + ROAD_LENGTH_H, ROAD_WIDTH_H / 2, cell, cell)
    H = road.homography(stored.virtual.K, stored.R_camera_stored.T @ R_camera_level)
    view = _drawn(image, H, road.columns, road.rows)
    cell_m, near_m = cell * h, near * h
    rows, columns = view.shape[:2]
    for row in _rows(h):
        v = rows - 1 - round((row - near_m) / cell_m)
        if v >= 0:
            cv2.line(view, (0, v), (columns - 1, v), GREEN, 1)
            _write(view, f'{row:g} m', (4, v - 4), GREEN)
    for lane in LANES_M:
        u = round((columns - 1) / 2 + lane / cell_m)
        if 0 <= u < columns:
            cv2.line(view, (u, 0), (u, rows - 1), GREEN, 1)
    return view


def _draw_way(road: ImageArray, estimate: OdometryEstimate, interval_s: float, h: float) -> None:
    """An arrow in the view from above, as long as the way of ARROW_S, and bars for one sigma of it."""
    found = estimate.motion.road
    if found is None:
        return
    rows, columns = road.shape[:2]
    per_m, u, start = HEIGHT / ROAD_LENGTH_H / h, columns // 2, rows - 1
    tip = start - round(found.speed * ARROW_S * per_m)
    reach = max(1, round(found.sigma * ARROW_S * per_m))
    cv2.arrowedLine(road, (u, start), (u, tip), RED, 2, cv2.LINE_AA, tipLength=0.1)
    for row in (tip - reach, tip + reach):
        cv2.line(road, (u - 8, row), (u + 8, row), YELLOW, 1)


def _rows(h: float) -> list[float]:
    return [row for row in ROWS_M if row >= 2.0 * h]


def _text(estimate: OdometryEstimate, state: str, estimator: str, width: int) -> ImageArray:
    speed = float(np.linalg.norm(estimate.linear_velocity))
    words = [f'{speed:.2f} m/s ({3.6 * speed:.1f} km/h)', f'by {estimator}' if estimator else '']
    motion = estimate.motion
    if np.isfinite(motion.attention_visual):
        words.append(f'attention {motion.attention_visual:.2f} vision, {motion.attention_inertial:.2f} IMU')
    if motion.road is not None:
        road = motion.road
        words.append(f'road: +- {road.sigma:.2f} m/s, tilt {np.degrees(road.tilt):+.2f} deg, {road.support:.0%} agree')
    lines = ['   '.join(filter(None, words)), _direction(estimate.geometry), '; '.join(estimate.warnings)]
    strip = np.zeros((LINE * len(lines) + 10, width, 3), dtype=np.uint8)
    colours: Sequence[tuple[int, int, int]] = (WHITE, WHITE, YELLOW)
    start = 8
    if state:
        _write(strip, state.upper(), (start, LINE), _COLOURS.get(state, RED))
        start += 110
    for number, (line, colour) in enumerate(zip(lines, colours, strict=True)):
        _write(strip, line, (start if number == 0 else 8, LINE * (number + 1)), colour)
    return strip


def _direction(geometry: PairGeometry | None) -> str:
    if geometry is None:
        return 'no calibration is used: the whole image, scaled'
    ahead = geometry.R_image_level[:, 2]
    pitch, yaw = np.degrees((np.arcsin(np.clip(ahead[1], -1.0, 1.0)), np.arctan2(ahead[0], ahead[2])))
    state = 'lost' if geometry.lost else 'known' if geometry.confident else 'being learned'
    sigma = np.degrees(geometry.pitch_sigma)
    return (
        f'direction of travel {state}: {pitch:+.2f} deg below and {yaw:+.2f} deg right of what the rig says (circle), '
        f'sigma {sigma:.2f} deg'
    )


def _on_image(x_m: float, z_m: float, h: float) -> tuple[int, int]:
    """Pixel of the level view of a point on the road."""
    return round(LEVEL.cx + LEVEL.fx * x_m / z_m), round(LEVEL.cy + LEVEL.fy * h / z_m)


def _enlarged(image: ImageArray) -> ImageArray:
    height, width = image.shape[:2]
    size = WIDTH, max(1, round(height * WIDTH / width))
    return np.asarray(cv2.resize(_coloured(image), size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _coloured(image: ImageArray) -> ImageArray:
    """(H, W, 3) BGR of a kept image (H, W, C), grey or RGB."""
    code = cv2.COLOR_GRAY2BGR if image.shape[2] == 1 else cv2.COLOR_RGB2BGR
    return np.asarray(cv2.cvtColor(image, code), dtype=np.uint8)


def _write(image: ImageArray, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    for shade, thickness in ((BLACK, 3), (colour, 1)):
        cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, shade, thickness, cv2.LINE_AA)
