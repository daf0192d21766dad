"""A prepared sequence: one folder with what training needs of one drive, as arrays that are mapped, not loaded.

images.npy           (N, H, W, C) uint8, RGB or grey, scaled by preprocessing.scale_image, or the level or stored view
image_stamps_ns.npy  (N,) int64, strictly increasing
imu_stamps_ns.npy    (M,) int64, strictly increasing
imu.npy              (M, 6) float64: wx wy wz [rad/s], ax ay az [m/s^2], in imu_link, as recorded
camera_poses.npy     (N, 4, 4) float64: frame of the images (optical axes: the camera's, or the level view's) in a
                     fixed frame; NaN where there is no ground truth
meta.json            the fields of SequenceMeta
"""

from __future__ import annotations

import dataclasses
import functools
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atvio_ros.drives.cache import Cached, fetch
from atvio_ros.drives.remote import LAST_FILE, Folder, Place, RemoteFolder
from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.files import moved_aside, read_text, write_text
from atvio_ros.rig.rig_yaml import RigSettings
from atvio_ros.settings import from_mapping, setting
from atvio_ros.types import FloatArray, ImageArray

FORMAT = 'atvio_ros prepared sequence'
FORMAT_VERSION = 1
META_FILE = LAST_FILE
_HEAD_BYTES = 4096  # in which the header of an .npy file is

ARRAYS = ('images', 'image_stamps_ns', 'imu_stamps_ns', 'imu', 'camera_poses')
VIEWS = ('none', 'level', 'stored')

Matrix = tuple[tuple[float, ...], ...]
Ranges = tuple[tuple[int, int], ...]  # first and last image of stretches, both included


@dataclass(frozen=True)
class SequenceMeta:
    """What meta.json holds: where a sequence comes from and how to read it."""

    name: str = ''
    source: str = ''  # what it was made of, for people
    fingerprint: str = ''  # of the source and the options: the same means there is nothing to do again
    content_sha256: str = ''  # of the images' bytes
    images: int = 0
    imu_readings: int = 0
    length_m: float = 0.0  # of the ground truth
    image_topic: str = ''
    imu_topic: str = ''
    ground_truth_topic: str = ''
    intrinsics_px: tuple[float, ...] = ()  # fx fy cx cy of the scaled images; empty: not known
    T_base_camera: Matrix = ()  # 4x4, of the images: the camera's, or the level view's
    R_base_imu: Matrix = ()  # 3x3; the IMU is stored in imu_link's axes
    rig: RigSettings = dataclasses.field(default_factory=RigSettings)  # the robot; older folders say nothing of it
    view: str = setting(
        'none',
        'none: the whole image, scaled. level: a virtual camera along the way. stored: all that the odometry keeps.',
        choices=VIEWS,
    )
    view_pitch_deg: float = 0.0  # of a level view: the way appears this much below its axis
    excluded: Ranges = ()  # stretches of images that training leaves out
    notes: tuple[str, ...] = ()
    format: str = FORMAT
    version: int = FORMAT_VERSION


class PreparedSequence:
    """A prepared sequence, opened; one of remote storage lies in the cache while it is used.

    Raises DatasetError where its parts are missing or contradict each other.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._cached: Cached | None = None
        self.meta = read_meta(self._path)
        self.image_stamps_ns: NDArray[np.int64] = self._load('image_stamps_ns', np.int64, (self.meta.images,))
        self.imu_stamps_ns: NDArray[np.int64] = self._load('imu_stamps_ns', np.int64, (self.meta.imu_readings,))
        self.imu: FloatArray = self._load('imu', np.float64, (self.meta.imu_readings, 6))
        self.camera_poses: FloatArray = self._load('camera_poses', np.float64, (self.meta.images, 4, 4))
        if self.images.ndim != 4 or len(self.images) != self.meta.images:
            raise DatasetError(f'{folder}/images.npy has shape {self.images.shape}. Prepare the sequence again.')

    def __reduce__(self) -> tuple[type[PreparedSequence], tuple[Folder]]:
        return PreparedSequence, (self.folder,)  # a worker process maps the files anew; pickling would copy them

    def __len__(self) -> int:
        return self.meta.images

    @functools.cached_property
    def images(self) -> ImageArray:
        """(N, H, W, C) uint8, memory-mapped."""
        images: ImageArray = self._load('images', np.uint8, None, mapped=True)
        return images

    def let_go(self) -> None:
        """The images are not needed for now: others may take their place in the cache. They come back when used."""
        self.__dict__.pop('images', None)
        if self._cached is not None:
            self._cached.release()
            self._cached = None

    @property
    def _path(self) -> Path:
        if isinstance(self.folder, Path):
            return self.folder
        if self._cached is None:
            self._cached = fetch(self.folder)
        return self._cached.path

    def _load(self, name: str, kind: type, shape: tuple[int, ...] | None, mapped: bool = False) -> Any:
        path = self._path / f'{name}.npy'
        try:
            array = np.lib.format.open_memmap(path, mode='r')  # mapped first: its header may claim any size
        except (OSError, ValueError, EOFError, TypeError, SyntaxError, OverflowError, MemoryError, TokenError) as error:
            raise DatasetError(f'{path} cannot be read ({error}). Prepare the sequence again.') from error
        if array.dtype != kind or (shape is not None and array.shape != shape):
            raise DatasetError(
                f'{path} holds {array.dtype} {array.shape}, not {np.dtype(kind)} {shape} as {META_FILE} says. '
                'Prepare the sequence again.'
            )
        return array if mapped else np.array(array)


def find_sequences(place: Place) -> Sequence[Folder]:
    """Folders of the prepared sequences in `place`, by name. Raises DatasetError: none, or one is missing."""
    found: Sequence[Folder]
    if isinstance(place, Path):
        if lost := moved_aside(place):
            raise DatasetError(f'{lost[0]} was being replaced when its writer was killed. Prepare it again.')
        found = sorted(path.parent for path in place.glob(f'*/{META_FILE}') if not path.parent.name.startswith('.'))
    else:
        found = RemoteFolder(place).folders_with(META_FILE)
    if not found:
        raise DatasetError(f'{place} holds no prepared sequences. Make some with `atvio prepare BAG... --out {place}`.')
    return found


def read_meta(folder: Folder) -> SequenceMeta:
    """meta.json of a prepared sequence. Raises DatasetError."""
    path = f'{folder}/{META_FILE}'
    try:
        text = read_text(folder / META_FILE) if isinstance(folder, Path) else folder.read(META_FILE).decode()
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError('it is not a JSON object')
        meta = from_mapping(SequenceMeta, values, META_FILE)
    except (OSError, ValueError, RecursionError, SettingsError) as error:
        raise DatasetError(
            f'{path} does not describe a prepared sequence: {str(error).rstrip(".")}. Prepare it again.'
        ) from error
    if (meta.format, meta.version) != (FORMAT, FORMAT_VERSION):
        raise DatasetError(
            f'{path} is {meta.format!r}, version {meta.version}; this package reads {FORMAT!r}, version '
            f'{FORMAT_VERSION}. Prepare the sequence again.'
        )
    return meta


def write_meta(folder: Folder, meta: SequenceMeta) -> None:
    """Write meta.json, whole or not at all. Raises FileError, DatasetError."""
    if isinstance(folder, Path):
        write_text(folder / META_FILE, as_json(meta))
    else:
        folder.write(META_FILE, as_json(meta).encode())


def images_shape(folder: Folder) -> tuple[int, ...]:
    """(N, H, W, C) of a whole sequence; of a remote one nothing but the head is read. Raises DatasetError."""
    if isinstance(folder, Path):
        return tuple(PreparedSequence(folder).images.shape)
    missing = {f'{name}.npy' for name in ARRAYS} - folder.sizes().keys()
    try:
        if missing:
            raise ValueError(f'{min(missing)} is missing')
        head = io.BytesIO(folder.read('images.npy', _HEAD_BYTES))
        np.lib.format.read_magic(head)
        return tuple(np.lib.format.read_array_header_1_0(head)[0])
    except (ValueError, SyntaxError, TokenError) as error:
        raise DatasetError(f'{folder} is damaged ({error}). Prepare the sequence again.') from error


def as_json(meta: SequenceMeta) -> str:
    """Content of meta.json."""
    return json.dumps(dataclasses.asdict(meta), indent=2) + '\n'


def __getattr__(name: str) -> Any:
    """What was here in earlier versions."""
    if name != 'SequenceWriter':
        raise AttributeError(f'module {__name__} has no attribute {name}')
    from atvio_ros.drives.sequence_writer import SequenceWriter

    return SequenceWriter
