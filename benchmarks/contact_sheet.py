"""A contact sheet of varied synthetic images: `python -m benchmarks.contact_sheet --out FILE.jpg`."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from atvio_ros.rendering import DriveSettings, synthesize
from atvio_ros.rendering.zones import ZONES
from atvio_ros.types import ImageArray


def main() -> None:
    """Write the sheet: one procedural drive a row, every third one grey, frames spread over its surroundings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--rows', type=int, default=8)
    parser.add_argument('--columns', type=int, default=3)
    parser.add_argument('--seed', type=int, default=100, help='of the first row; the others follow')
    parser.add_argument('--length', type=float, default=900.0, help='metres of each drive')
    args = parser.parse_args()
    sheet = [row(args.seed + index, args.columns, args.length, index % 3 != 2) for index in range(args.rows)]
    cv2.imwrite(str(args.out), cv2.cvtColor(np.vstack(sheet), cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, 82))
    print(f'Wrote {args.rows * args.columns} images to {args.out}')


def row(seed: int, columns: int, length: float, color: bool) -> ImageArray:
    """Images of one drive side by side, (H, columns * W, 3)."""
    drive = synthesize(DriveSettings(seed=seed, length=length, color=color))
    wanted = np.linspace(10, len(drive) - 10, columns).astype(int)
    images = [next(drive.images(int(index)))[1] for index in wanted]
    road = drive.world.road
    if road is not None:
        names = [ZONES[road.zone[int(drive.world.image_way_m[index])]].name for index in wanted]
        print(f'seed {seed}: {", ".join(names)}')
    return np.hstack([image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2) for image in images])


if __name__ == '__main__':
    main()
