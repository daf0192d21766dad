"""A contact sheet of varied synthetic images: `python -m benchmarks.contact_sheet --out FILE.jpg`.

With `--conditions all`, or names of them, each row shows one of atvio_ros.rendering.conditions instead.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from atvio_ros.rendering import DriveSettings, synthesize
from atvio_ros.rendering.conditions import CONDITIONS, ORDINARY, Conditions, named_conditions
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
    parser.add_argument('--conditions', nargs='+', metavar='NAME', help='a row for each of them, all in one seed')
    parser.add_argument('--scale', type=float, default=1.0, help='of the sheet, in that of its images')
    args = parser.parse_args()
    if args.conditions:
        names = list(CONDITIONS) if args.conditions == ['all'] else args.conditions
        sheet = [
            labelled(row(args.seed, args.columns, args.length, True, named_conditions(name.split('+'))), name)
            for name in names
        ]
    else:
        sheet = [row(args.seed + index, args.columns, args.length, index % 3 != 2) for index in range(args.rows)]
    whole = cv2.resize(np.vstack(sheet), None, fx=args.scale, fy=args.scale, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(args.out), cv2.cvtColor(whole, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, 82))
    print(f'Wrote {len(sheet) * args.columns} images to {args.out}')


def labelled(images: ImageArray, name: str) -> ImageArray:
    """The row with its name in a corner, in place."""
    cv2.rectangle(images, (0, 0), (9 * len(name) + 6, 17), (0, 0, 0), -1)
    cv2.putText(images, name, (3, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return images


def row(seed: int, columns: int, length: float, color: bool, conditions: Conditions = ORDINARY) -> ImageArray:
    """Images of one drive side by side, (H, columns * W, 3)."""
    drive = synthesize(DriveSettings(seed=seed, length=length, color=color, conditions=conditions))
    wanted = np.linspace(10, len(drive) - 10, columns).astype(int)
    images = [next(drive.images(int(index)))[1] for index in wanted]
    road = drive.world.road
    if road is not None:
        names = [ZONES[road.zone[int(drive.world.image_way_m[index])]].name for index in wanted]
        print(f'seed {seed}: {", ".join(names)}')
    return np.hstack([image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2) for image in images])


if __name__ == '__main__':
    main()
