"""Windows of prepared sequences as batches of tensors, and the split into training and validation parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from atvio_ros.drives.cache import require_room
from atvio_ros.drives.remote import Place, RemoteFolder
from atvio_ros.drives.sequence_store import PreparedSequence, find_sequences
from atvio_ros.errors import DatasetError
from atvio_ros.network.config import AtvioConfig
from atvio_ros.training.amount import way_m
from atvio_ros.training.mirror import Mirror
from atvio_ros.training.pairs import SequencePairs
from atvio_ros.training.prepared_form import form_of
from atvio_ros.training.settings import DataSettings
from atvio_ros.types import ImageArray

VALIDATION_PREFIX = 'validation_'  # of sequences that are held out where the settings name none


class Window(NamedTuple):
    """A stretch of images of one sequence. Everything random about a sample is decided here, not while reading."""

    sequence: int
    first: int
    pairs: int
    skip: int = 1
    mirrored: bool = False


class Batch(NamedTuple):
    """B windows of T frame pairs; one sample is the same without B."""

    images: Tensor  # (B, T + 1, C, H, W) uint8, in memory channels last
    imu: Tensor  # (B, T, 11, 6) float32
    motion: Tensor  # (B, T, 6) float32 x y z [m], roll pitch yaw [rad] of the camera
    interval_s: Tensor  # (B, T) float32


class WindowDataset(Dataset[Batch]):
    """Windows of a set of sequences, read when asked for."""

    def __init__(self, sequences: Sequence[SequencePairs], config: AtvioConfig) -> None:
        self.sequences = sequences
        self._mirror = Mirror(config)
        shapes = {pairs.sequence.images.shape[1:3] for pairs in sequences}
        expected = (config.image_height_px, config.image_width_px)
        if shapes != {expected}:
            raise DatasetError(
                f'The prepared images are {_sizes(shapes)} (height x width), the network takes {_sizes({expected})}. '
                f'Prepare them with `{form_of(config).options}` (`atvio prepare --for FILE` takes it all from a model '
                'file or a recipe). A network that begins from no model file can be made for other sizes instead: '
                'model.image_height_px and model.image_width_px.'
            )
        self._channels = max(pairs.sequence.images.shape[3] for pairs in sequences)

    def __len__(self) -> int:
        return sum(len(pairs) for pairs in self.sequences)

    def __getitem__(self, window: Window) -> Batch:
        """One window: images (T + 1, C, H, W), imu (T, 11, 6), motion (T, 6), interval_s (T,)."""
        return Batch(*(tensor[0] for tensor in self.__getitems__([window])))

    def __getitems__(self, windows: Sequence[Window]) -> Batch:
        """A batch of windows with the same number of pairs."""
        B, T = len(windows), windows[0].pairs
        height, width = self.sequences[0].sequence.images.shape[1:3]
        images = np.empty((B, T + 1, height, width, self._channels), dtype=np.uint8)
        imu = np.empty((B, T, 11, 6), dtype=np.float32)
        motion = np.empty((B, T, 6), dtype=np.float32)
        interval_s = np.empty((B, T), dtype=np.float32)
        for b, window in enumerate(windows):
            sequence, pairs = self.sequences[window.sequence].sequence, self.sequences[window.sequence][window.skip]
            last = window.first + T * window.skip
            frames = sequence.images[window.first : last + 1 : window.skip]  # (T + 1, H, W, 1 or C)
            starts = slice(window.first, last, window.skip)
            images[b] = _flipped(frames) if window.mirrored else frames
            imu[b] = self._mirror.imu(pairs.imu[starts]) if window.mirrored else pairs.imu[starts]
            motion[b] = self._mirror.motion(pairs.motion[starts]) if window.mirrored else pairs.motion[starts]
            interval_s[b] = pairs.interval_s[starts]
        return Batch(
            torch.from_numpy(images).movedim(-1, -3),
            torch.from_numpy(imu),
            torch.from_numpy(motion),
            torch.from_numpy(interval_s),
        )


@dataclass(frozen=True)
class Split:
    """Which images of each sequence are for what."""

    sequences: tuple[SequencePairs, ...]
    training: tuple[NDArray[np.bool_], ...]  # of each sequence (N,)
    validation: tuple[NDArray[np.bool_], ...]

    def contents(self) -> dict[str, str]:
        """What is in each sequence, as far as training is concerned: the same text means the same data."""
        metas = [pairs.sequence.meta for pairs in self.sequences]
        return {meta.name: f'{meta.content_sha256} {meta.imu_readings} {meta.excluded}' for meta in metas}

    def ways_m(self) -> tuple[float, float]:
        """Way [m] of the ground truth in the training and in the validation parts."""
        poses = [pairs.sequence.camera_poses for pairs in self.sequences]
        training, validation = (
            sum(way_m(each[part]) for each, part in zip(poses, parts, strict=True))
            for parts in (self.training, self.validation)
        )
        return training, validation

    def stretches(self) -> list[Window]:
        """The validation parts as windows, one for each unbroken run of frame pairs."""
        found = []
        for s, (sequence, within) in enumerate(zip(self.sequences, self.validation, strict=True)):
            linked = np.concatenate(([False], sequence.windows(1, 1, within), [False]))
            edges = np.flatnonzero(np.diff(linked.astype(int)))
            found += [Window(s, int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        return found

    def training_windows(self, pairs: int, skip: int) -> list[tuple[int, int]]:
        """(sequence, first image) of every window of the training parts, in order."""
        return [
            (s, int(first))
            for s, (sequence, within) in enumerate(zip(self.sequences, self.training, strict=True))
            for first in np.flatnonzero(sequence.windows(pairs, skip, within))
        ]


def open_split(folder: Place, settings: DataSettings, config: AtvioConfig, largest_skip: int) -> Split:
    """Open the prepared sequences that `settings` name, for the network of `config`.

    Those of remote storage are fetched one after the other, and stay in the cache. Raises DatasetError when one is
    missing, was prepared for another view, or where the cache is too small for all.
    """
    available = {path.name: path for path in find_sequences(folder)}
    validated = settings.validation_sequences
    if not validated and not settings.sequences:  # as `atvio prepare --validation` names them
        validated = tuple(name for name in available if name.startswith(VALIDATION_PREFIX))
    held_out = set(validated)
    names = settings.sequences or tuple(name for name in available if name not in held_out)
    both = sorted(held_out & set(names))
    if both:
        raise DatasetError(
            f'{both[0]} is named both in data.sequences and in data.validation_sequences. Leave it out of one.'
        )
    missing = [name for name in (*names, *validated) if name not in available]
    if missing:
        raise DatasetError(
            f'{folder} has no prepared sequence {missing[0]}. It has: {", ".join(available)}. Choose from these.'
        )
    require_room([each for name in (*names, *validated) if isinstance(each := available[name], RemoteFolder)])
    sequences, training, validation = [], [], []
    for name in (*names, *validated):
        sequence = SequencePairs(PreparedSequence(available[name]), config, largest_skip)
        share = 1.0 if name in held_out else settings.validation_share
        kept = np.arange(len(sequence)) < round((1.0 - share) * len(sequence))
        sequences.append(sequence)
        training.append(kept)
        validation.append(~kept)
    return Split(tuple(sequences), tuple(training), tuple(validation))


def _flipped(frames: ImageArray) -> ImageArray:
    """Images (T + 1, H, W, C) mirrored left to right; with OpenCV, 20 times as fast as a copy with a stride of -1."""
    return np.stack([np.asarray(cv2.flip(frame, 1)).reshape(frame.shape) for frame in frames]).astype(
        np.uint8, copy=False
    )


def _sizes(shapes: set[tuple[int, ...]]) -> str:
    return ' and '.join(f'{height}x{width}' for height, width in sorted(shapes))
