"""Rain before the camera: streaks in the air, and drops on the glass that wipers take away now and then."""

from __future__ import annotations

import cv2
import numpy as np

from atvio_ros.types import FloatArray, ImageArray

WIPED_S = 2.5  # drops stay that long
STREAKS, DROPS = 70, 22  # of heavy rain
DROP_VIEW = -3.0  # a drop shows the scene upside down and smaller


class Rain:
    """Rain of strength `amount` (0 to 1). Deterministic by seed, image and time."""

    def __init__(self, width: int, height: int, amount: float, seed: int) -> None:
        self._size = (width, height)
        self._amount = amount
        self._seed = seed
        self._wiped = -1
        self._slant = float(np.random.default_rng((seed, 20)).normal(0.0, 0.25))

    def before(self, image: ImageArray, index: int, time_s: float) -> ImageArray:
        """The image (H, W, 3) RGB as seen through the rain."""
        wiped = int(time_s / WIPED_S)
        if wiped != self._wiped:
            self._wiped = wiped
            self._lay_drops(np.random.default_rng((self._seed, 21, wiped)))
        soft = cv2.GaussianBlur(self._with_streaks(image, index), (0, 0), self._size[0] / 300.0)
        through = cv2.remap(soft, self._x, self._y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        clear = self._with_streaks(image, index)
        return np.asarray(clear + (through.astype(np.float32) - clear) * self._cover, np.uint8)

    def _with_streaks(self, image: ImageArray, index: int) -> ImageArray:
        rng = np.random.default_rng((self._seed, 22, index))
        width, height = self._size
        layer = np.zeros((height, width), np.uint8)
        for _ in range(rng.poisson(STREAKS * self._amount)):
            near = rng.beta(1.0, 3.0)
            length = height * (0.04 + 0.3 * near)
            x, y = rng.uniform(0, width), rng.uniform(-length, height)
            lean = length * (self._slant + rng.normal(0.0, 0.05))
            end = (round(x + lean), round(y + length))
            cv2.line(
                layer, (round(x), round(y)), end, int(rng.uniform(20, 60)), 1 + int(near * width / 250.0), cv2.LINE_AA
            )
        bright = float(image.mean()) / 100.0
        streaks = cv2.GaussianBlur(layer, (0, 0), 0.6).astype(np.float32) * min(bright, 1.5)
        return np.asarray(np.clip(image + streaks[..., None], 0.0, 255.0), np.uint8)

    def _lay_drops(self, rng: np.random.Generator) -> None:
        width, height = self._size
        columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        self._x, self._y = columns.copy(), rows.copy()
        cover: FloatArray = np.zeros((height, width), np.float32)
        for _ in range(rng.poisson(DROPS * self._amount)):
            radius = width * rng.uniform(0.006, 0.022)
            x, y = rng.uniform(0, width), rng.uniform(0, height)
            distance = np.hypot(columns - x, (rows - y) / rng.uniform(1.0, 1.4)) / radius
            inside = distance < 1.3
            self._x[inside] = (x + (columns - x) * DROP_VIEW)[inside]
            self._y[inside] = (y + (rows - y) * DROP_VIEW)[inside]
            cover = np.maximum(cover, np.clip((1.3 - distance) * 2.5, 0.0, 0.85))
        self._cover = cover[..., None].astype(np.float32)
