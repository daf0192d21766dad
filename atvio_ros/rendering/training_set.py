"""A training set of rendered drives: KITTI's motion through many worlds, and procedural drives.

Each sequence is cut into stretches and every stretch gets a world of its own, several times over: a network that is to
see motion rather than scenery needs many sceneries. Held-out stretches become validation sequences.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from atvio_ros.drives.prepare import prepare
from atvio_ros.drives.remote import Place, folder_in, writing
from atvio_ros.drives.sequence_store import Ranges, SequenceMeta, images_shape, read_meta
from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.rendering.conditions import ORDINARY, ROUTE, Conditions
from atvio_ros.rendering.drive_settings import DriveSettings, kitti_intrinsics
from atvio_ros.rendering.random_robots import CAR_HEIGHT_M, random_conditions, random_robot
from atvio_ros.rendering.rendered_drive import synthesize
from atvio_ros.settings import setting

SEQUENCES = ('00', '01', '02', '04', '06', '08', '09')
STORED_SOURCE_PX = (620, 188)  # half of KITTI's size: as fine as the images that are stored
SHORTEST_STRETCH = 30  # images; less is not worth a world
_PASS_SEEDS = 1000  # seeds of one pass begin at a multiple of this
_DRIVE_SEEDS, _VALIDATION_SEEDS = 50_000, 90_000
_ROBOT_SEEDS, _VALIDATION_ROBOT_SEEDS = 200_000, 290_000
# Left camera of the odometry sequences recorded on 2011-09-30 (04 to 10), from their calib.txt, at 1226x370.
_INTRINSICS_0930, _SIZE_0930 = (707.0912, 707.0912, 601.8873, 183.1104), (1226, 370)
_RECORDED_1003 = ('00', '01', '02')


@dataclass(frozen=True)
class SetSettings:
    """What the set consists of."""

    sequences: tuple[str, ...] = SEQUENCES
    passes: int = setting(3, 'Worlds that each image of a sequence is seen in.', minimum=0)
    images_per_world: int = setting(350, 'Images of a stretch that gets a world of its own.', minimum=SHORTEST_STRETCH)
    appearances: int = setting(0, 'Seeds that the stretches share; 0: each has its own.', minimum=0)
    drives: int = setting(20, 'Procedural drives to train on.', minimum=0)
    validation_drives: int = setting(2, 'Procedural drives to validate on.', minimum=0)
    drive_length: float = setting(500.0, 'Length of a procedural drive [m].', minimum=30.0)
    width: int = setting(416, 'Width of the stored images [px].', minimum=32)
    height: int = setting(128, 'Height of the stored images [px].', minimum=32)
    smooth_vertical: bool = setting(False, "Smooth the heights of KITTI's poses, which tremble.")
    grey: bool = False
    robots: int = setting(0, 'Drives of a random robot each to train on.', minimum=0)
    validation_robots: int = setting(0, 'Drives of a random robot each to validate on.', minimum=0)
    robot_images: int = setting(170, 'Images of a random robot.', minimum=SHORTEST_STRETCH)
    share: float = setting(1.0, "Share of KITTI's stretches to train on, spread evenly.", minimum=0.0, maximum=1.0)
    varied: bool = setting(False, "Conditions of road, light and camera vary on KITTI's motion, too.")
    supersampling: float = setting(1.5, 'Rendered pixels per image pixel, each way.', minimum=1.0, maximum=4.0)
    view: str = setting(
        'none', 'stored: as the odometry keeps images, level and without the lens.', choices=('none', 'stored')
    )


@dataclass(frozen=True)
class Job:
    """One sequence of the set."""

    name: str
    drive: DriveSettings
    excluded: Ranges = ()  # images of the stretch that training leaves out

    @property
    def source(self) -> str:
        """The source as recorded in meta.json; a sequence with the same source is not made again."""
        drive = self.drive
        if drive.most_images is not None:
            changed = _changed(dataclasses.asdict(drive), dataclasses.asdict(DriveSettings()))
            recipe = hashlib.sha256(repr(changed).encode()).hexdigest()[:12]
            return f'atvio synthesize-set --robots: random_robot({drive.seed}, {drive.most_images}), recipe {recipe}'
        if drive.poses is None:
            return f'atvio synthesize --seed {drive.seed} --length {drive.length:g}'
        first, last = drive.images
        more = ' --smooth-vertical' if drive.smooth_vertical else ''
        more += '' if drive.supersampling == SetSettings().supersampling else f', supersampling {drive.supersampling:g}'
        more += '' if drive.conditions == ORDINARY else f', {drive.conditions}'
        return f'atvio synthesize --seed {drive.seed} --poses {drive.poses.name} --images {first}:{last}{more}'


def plan_set(
    settings: SetSettings, kitti: Path | None, held_out: Mapping[str, Ranges], excluded: Mapping[str, Ranges]
) -> list[Job]:
    """All sequences of the set, those to validate on named `validation_...`.

    `kitti` holds poses/00.txt, times/00.txt and imu100/00.mat; None: nothing of KITTI's is in the set.
    Raises DatasetError when a file is missing and SettingsError when a range is of no sequence.
    """
    for ranges in (held_out, excluded):
        unknown = sorted(set(ranges) - set(settings.sequences))
        if unknown:
            raise SettingsError(
                f'A stretch of {unknown[0]} is listed, but {unknown[0]} is not among the sequences of the set.'
                ' Add it there, or leave out the stretch.'
            )
    look = DriveSettings(color=not settings.grey, supersampling=settings.supersampling)
    if settings.view == 'stored':
        look = replace(look, width=STORED_SOURCE_PX[0], height=STORED_SOURCE_PX[1])
    jobs: list[Job] = []
    for k in range(settings.validation_robots):
        jobs.append(_procedural('validation_robot', random_robot(_VALIDATION_ROBOT_SEEDS + k, settings.robot_images)))
    for k in range(settings.robots):
        jobs.append(_procedural('robot', random_robot(_ROBOT_SEEDS + k, settings.robot_images)))
    if kitti is not None:
        jobs += _recorded(settings, kitti, look, held_out, excluded)
    for k in range(settings.drives):
        jobs.append(_procedural('drive', replace(look, seed=_DRIVE_SEEDS + k, length=settings.drive_length)))
    for k in range(settings.validation_drives):
        seed = _VALIDATION_SEEDS + 900 + k
        jobs.append(_procedural('validation_drive', replace(look, seed=seed, length=settings.drive_length)))
    return jobs


def _recorded(
    settings: SetSettings,
    kitti: Path,
    look: DriveSettings,
    held_out: Mapping[str, Ranges],
    excluded: Mapping[str, Ranges],
) -> list[Job]:
    """Stretches of KITTI's motion, as `look` sees them."""
    jobs: list[Job] = []
    for s, sequence in enumerate(settings.sequences):
        poses, times, imu = _files(kitti, sequence)
        with poses.open() as file:
            count = sum(1 for line in file if line.strip())
        whole = replace(
            look,
            poses=poses,
            times=times,
            imu=imu,
            intrinsics=_intrinsics(sequence, look),
            smooth_vertical=settings.smooth_vertical,
        )
        bad = excluded.get(sequence, ())
        kept_out = held_out.get(sequence, ())
        for k, (first, last) in enumerate(kept_out):
            drive = replace(whole, seed=_VALIDATION_SEEDS + 10 * s + k, images=(first, min(last, count - 1)))
            jobs.append(_job(f'validation_{sequence}', drive, bad))
        for p in range(settings.passes):
            shift = p * settings.images_per_world // settings.passes
            stretches = _stretches(count, kept_out, settings.images_per_world, shift)
            for k, stretch in enumerate(stretches):
                if int((k + 1) * settings.share) == int(k * settings.share):
                    continue
                seed = _PASS_SEEDS * (p + 1) + 100 * s + k
                if settings.appearances:
                    seed = _PASS_SEEDS + len(jobs) % settings.appearances
                conditions = _seen_only(seed) if settings.varied else ORDINARY
                jobs.append(_job(sequence, replace(whole, seed=seed, images=stretch, conditions=conditions), bad))
    return jobs


def render(job: Job, out: Place, settings: SetSettings) -> int:
    """Render one sequence into the folder `out`/name, unless it is there; returns its number of images."""
    folder = folder_in(out, job.name)
    size_px = (settings.height, settings.width)
    try:
        meta, shape = read_meta(folder), images_shape(folder)
        alike = meta.view == settings.view and (settings.view == 'stored' or shape[1:3] == size_px)
        if meta.source == job.source and alike:
            return shape[0]
    except DatasetError:
        pass
    meta = SequenceMeta(source=job.source, excluded=job.excluded)
    with writing(folder) as path:
        return len(prepare(synthesize(job.drive), path, meta, size_px=size_px, view=settings.view))


def _changed(values: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """What differs from the defaults: settings that are new one day do not make an old sequence another."""
    return {
        name: _changed(value, usual[name]) if isinstance(value, dict) else value
        for name, value in sorted(values.items())
        if value != usual[name]
    }


def _seen_only(seed: int) -> Conditions:
    """Random conditions, but for those of the route, which a recorded motion has."""
    rng = np.random.default_rng((seed, 61))
    conditions = random_conditions(rng, 10.0, CAR_HEIGHT_M)
    return replace(conditions, surroundings='any', kerbs=False, **{name: getattr(ORDINARY, name) for name in ROUTE})


def _files(kitti: Path, sequence: str) -> tuple[Path, Path, Path]:
    """Poses, image times and IMU."""
    poses, times = (kitti / name / f'{sequence}.txt' for name in ('poses', 'times'))
    imu = kitti / 'imu100' / f'{sequence}.mat'
    missing = next((path for path in (poses, times, imu) if not path.is_file()), None)
    if missing:
        raise DatasetError(f'There is no {missing}. --kitti must name a folder with poses/, times/ and imu100/.')
    return poses, times, imu


def _intrinsics(sequence: str, look: DriveSettings) -> tuple[float, ...]:
    if sequence in _RECORDED_1003:
        return kitti_intrinsics(look.width, look.height)
    return kitti_intrinsics(look.width, look.height, _INTRINSICS_0930, _SIZE_0930)


def _stretches(count: int, kept_out: Ranges, length: int, shift: int) -> Iterator[tuple[int, int]]:
    """First and last images of stretches of `length` that avoid `kept_out`; boundaries move by `shift`."""
    edges = sorted({0, *(edge for first, last in kept_out for edge in (first, last + 1)), count})
    for begin, end in itertools.pairwise(edges):
        if any(first <= begin <= last for first, last in kept_out):
            continue
        cuts = [begin, *(cut for cut in range(begin + shift, end, length) if cut > begin), end]
        for first, after in itertools.pairwise(cuts):
            if after - first >= SHORTEST_STRETCH:
                yield first, after - 1


def _job(name: str, drive: DriveSettings, excluded: Ranges) -> Job:
    first, last = drive.images
    inside = tuple((max(a, first) - first, min(b, last) - first) for a, b in excluded if a <= last and b >= first)
    return Job(f'{name}_{first}-{last}_s{drive.seed}', drive, inside)


def _procedural(name: str, drive: DriveSettings) -> Job:
    return Job(f'{name}_s{drive.seed}', drive)
