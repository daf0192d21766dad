"""Painted walls of houses: windows, doors, shops, roofs."""

from __future__ import annotations

import cv2
import numpy as np

from atvio_ros.rendering.noise import SIZE_PX, flat, fractal, rgba, speckle
from atvio_ros.types import FloatArray, ImageArray

CELLS = 4  # a facade tile has 4 x 4 windows, each on about 3 m square
CELL_PX = SIZE_PX // CELLS
PLASTERS = np.array(
    [
        (0.86, 0.85, 0.82),
        (0.82, 0.77, 0.64),
        (0.75, 0.66, 0.52),
        (0.68, 0.7, 0.7),
        (0.78, 0.62, 0.52),
        (0.55, 0.4, 0.33),
        (0.9, 0.88, 0.8),
        (0.6, 0.64, 0.56),
    ]
)


def wall(rng: np.random.Generator) -> ImageArray:
    """Plaster, brick, boards or stone without windows, on about 3 m square."""
    return rgba(_masonry(rng, np.array((0.78, 0.75, 0.7))))


def facade(rng: np.random.Generator) -> ImageArray:
    """4 x 4 windows of one style, each in its own state. Row 0 is the bottom."""
    colour = np.clip(PLASTERS[rng.integers(len(PLASTERS))] + rng.normal(0.0, 0.05, 3), 0.1, 0.95)
    surface = _masonry(rng, colour)
    style = rng.random(6)
    width, height = rng.uniform(0.3, 0.72), rng.uniform(0.38, 0.62)
    sill = rng.uniform(0.22, 0.34)
    frame = (0.9, 0.9, 0.88) if style[0] < 0.7 else (0.25, 0.2, 0.18)
    shutter = np.clip(rng.uniform(0.15, 0.6) + rng.normal(0.0, 0.1, 3), 0.05, 0.9)
    panes = int(rng.choice((1, 2, 2, 3)))
    if style[1] < 0.35:  # a band between the storeys
        for row in range(CELLS):
            y = row * CELL_PX
            surface[y : y + 7] *= rng.uniform(0.75, 0.9)
    for row in range(CELLS):
        for column in range(CELLS):
            x = int((column + 0.5 - width / 2) * CELL_PX)
            y = int((row + sill) * CELL_PX)
            w, h = int(width * CELL_PX), int(height * CELL_PX)
            _window(surface, (x, y, w, h), rng, frame, panes)
            if style[2] < 0.35:  # folding shutters
                for left in (x - w // 2 - 3, x + w + 3):
                    cv2.rectangle(surface, (left, y), (left + w // 2, y + h), tuple(shutter.tolist()), -1)
                    for line in range(y, y + h, 5):
                        cv2.line(surface, (left, line), (left + w // 2, line), tuple((shutter * 0.6).tolist()), 1)
            if style[3] < 0.5:  # a sill, and its shadow
                cv2.rectangle(surface, (x - 5, y - 5), (x + w + 5, y - 1), (0.8, 0.8, 0.78), -1)
                cv2.rectangle(surface, (x - 5, y - 9), (x + w + 5, y - 6), tuple((colour * 0.6).tolist()), -1)
            if style[4] < 0.2:  # a balcony's railing
                cv2.rectangle(surface, (x - 12, y - 24), (x + w + 12, y + 16), (0.35, 0.35, 0.36), 2)
                for bar in range(x - 12, x + w + 12, 6):
                    cv2.line(surface, (bar, y - 24), (bar, y + 16), (0.35, 0.35, 0.36), 1)
    return rgba(surface)


def shop_front(rng: np.random.Generator) -> ImageArray:
    """Two ground floors with display windows, doors and name boards, one above the other."""
    surface = _masonry(rng, np.clip(rng.uniform(0.35, 0.8) + rng.normal(0.0, 0.07, 3), 0.1, 0.9))
    half = SIZE_PX // 2
    for bottom in (0, half):
        x = int(rng.integers(5, 30))
        while x < SIZE_PX - 60:
            w = int(rng.integers(50, 150))
            door = rng.random() < 0.3
            w = min(54 if door else w, SIZE_PX - x - 5)
            low = bottom + (4 if door else int(rng.integers(14, 50)))
            _window(
                surface,
                (x, low, w, bottom + 175 - low),
                rng,
                tuple((rng.uniform(0.1, 0.9) + rng.normal(0.0, 0.05, 3)).tolist()),
                1 if door else 2,
            )
            x += w + int(rng.integers(8, 50))
        board = tuple(rng.uniform(0.05, 0.95, 3))
        cv2.rectangle(surface, (5, bottom + 185), (SIZE_PX - 5, bottom + 235), board, -1)
        ink = tuple((1.0 - np.array(board)).tolist())
        x = int(rng.integers(30, 200))
        for _ in range(rng.integers(4, 12)):
            w = int(rng.integers(8, 26))
            cv2.rectangle(surface, (x, bottom + 195), (min(x + w, SIZE_PX - 10), bottom + 225), ink, -1)
            x += w + 7
    return rgba(surface)


def garage(rng: np.random.Generator) -> ImageArray:
    """A ribbed or panelled door in a plain wall."""
    surface = _masonry(rng, np.array((0.75, 0.73, 0.7)))
    colour = np.clip(rng.uniform(0.3, 0.85) + rng.normal(0.0, 0.08, 3), 0.05, 0.95)
    surface[20:400, 50:460] = colour
    for y in range(20, 400, int(rng.choice((12, 40, 95)))):
        surface[y : y + 3, 50:460] *= 0.7
    return rgba(surface)


def roof(rng: np.random.Generator) -> ImageArray:
    """Rows of tiles on 4 m square."""
    rows = int(rng.choice((12, 16, 20)))
    columns = int(rng.choice((14, 18, 24)))
    colour = np.array(((0.5, 0.25, 0.18), (0.34, 0.2, 0.16), (0.25, 0.25, 0.27), (0.42, 0.36, 0.3))[rng.integers(4)])
    tiles = rng.normal(1.0, 0.12, (rows, columns))
    light = cv2.resize(tiles, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_NEAREST)
    slant = 0.75 + 0.35 * ((np.arange(SIZE_PX) * rows / SIZE_PX) % 1.0)[:, None]
    waves = 0.9 + 0.1 * np.cos(np.arange(SIZE_PX) * 2 * np.pi * columns / SIZE_PX)[None]
    worn = 1.0 + 0.12 * fractal(rng, 1.6)
    return rgba(colour * (light * slant * waves * worn)[..., None])


def _masonry(rng: np.random.Generator, colour: FloatArray) -> FloatArray:
    """A wall's surface (SIZE_PX, SIZE_PX, 3)."""
    surface = flat(tuple(colour)) * (1.0 + 0.05 * fractal(rng, 1.6) + 0.03 * speckle(rng, 2))[..., None]
    kind = rng.random()
    if kind < 0.25:  # bricks or blocks
        rows = int(rng.choice((16, 32, 44)))
        columns = rows // 2
        stones = rng.normal(1.0, 0.09, (rows, columns))
        surface *= cv2.resize(stones, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_NEAREST)[..., None]
        for row in range(rows):
            y = row * SIZE_PX // rows
            surface[y : y + 2] *= 0.8
    elif kind < 0.35:  # boards
        boards = int(rng.choice((16, 24, 40)))
        for board in range(boards):
            y = board * SIZE_PX // boards
            surface[y : y + SIZE_PX // boards] *= rng.normal(1.0, 0.06)
            surface[y : y + 2] *= 0.65
    streaks = cv2.resize(rng.normal(1.0, 0.04, (3, 64)), (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(surface * streaks[..., None])


def _window(
    surface: FloatArray, box: tuple[int, int, int, int], rng: np.random.Generator, frame: tuple[float, ...], panes: int
) -> None:
    """Glass that mirrors some sky, maybe a curtain or a half-drawn blind, and the frame around it."""
    x, y, w, h = box
    glass = np.linspace(rng.uniform(0.03, 0.15), rng.uniform(0.1, 0.5), h)[:, None, None]
    surface[y : y + h, x : x + w] = glass * np.array((0.85, 0.95, 1.05))
    state = rng.random()
    if state < 0.3:  # curtain
        side = int(w * rng.uniform(0.15, 0.5))
        surface[y : y + h, x : x + side] = rng.uniform(0.5, 0.85)
        surface[y : y + h, x + w - side : x + w] = rng.uniform(0.5, 0.85)
    elif state < 0.6:  # blind, drawn to some height from the top
        low = y + int(h * rng.uniform(0.0, 0.9))
        surface[low : y + h, x : x + w] = rng.uniform(0.45, 0.85)
        surface[low : y + h : 4, x : x + w] *= 0.8
    cv2.rectangle(surface, (x, y), (x + w, y + h), frame, 4)
    for pane in range(1, panes):
        cv2.line(surface, (x + pane * w // panes, y), (x + pane * w // panes, y + h), frame, 3)
    if h > 60:
        cv2.line(surface, (x, y + 2 * h // 3), (x + w, y + 2 * h // 3), frame, 2)
    surface[y + h : y + h + 3, x : x + w] *= 0.55  # the lintel's shadow
