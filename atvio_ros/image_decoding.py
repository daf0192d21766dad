"""Decodes the content of sensor_msgs/Image and CompressedImage: one decoder for the node and for reading bags.

cv_bridge is not used: it needs a ROS install, which reading a bag does not, and its builds break with numpy 2.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from atvio_ros.errors import ImageError
from atvio_ros.image_size import check_image_size
from atvio_ros.jpeg_png import Claim, claim_of
from atvio_ros.types import ImageArray

ImageData: TypeAlias = 'bytes | bytearray | memoryview | array.array[int] | ImageArray'
Convert: TypeAlias = Callable[[ImageArray], ImageArray]

MOST_MEMORY = 320_000_000  # bytes that decoding a compressed image may take at its peak
SMALLER = 'Send smaller images.'
_REMEDY = "Check the camera's driver, or copy the file again."
MOST_SCANS = 100  # of a JPEG; progressive ones have about ten
MOST_WORK = 500_000_000  # pixels times scans: a second or two


@dataclass(frozen=True)
class _Encoding:
    """How pixels lie in memory. `convert` makes (H, W) grey or (H, W, 3) RGB of (rows, W) or (rows, W, channels)."""

    channels: int
    convert: Convert
    sample_bytes: int = 1
    columns_multiple: int = 1
    rows_multiple: int = 1
    rows_ratio: tuple[int, int] = (1, 1)  # rows in memory per image row: 3/2 when half-size chroma follows
    least_px: int = 1


def _same(pixels: ImageArray) -> ImageArray:
    return pixels


def _colour(code: int) -> Convert:
    def convert(pixels: ImageArray) -> ImageArray:
        if pixels.shape[:2] == (1, 1):  # OpenCV 4.5 refuses a single pixel of several channels
            return convert(np.repeat(pixels, 2, axis=0))[:1]
        return np.asarray(cv2.cvtColor(pixels, code), dtype=np.uint8)

    return convert


def _known_encodings() -> dict[str, _Encoding]:
    grey = _Encoding(1, _same)
    bgr = _Encoding(3, _colour(cv2.COLOR_BGR2RGB))
    bgra = _Encoding(4, _colour(cv2.COLOR_BGRA2RGB))
    uyvy = _Encoding(2, _colour(cv2.COLOR_YUV2RGB_UYVY), columns_multiple=2)
    yuyv = _Encoding(2, _colour(cv2.COLOR_YUV2RGB_YUYV), columns_multiple=2)
    known = {
        'mono8': grey,
        '8UC1': grey,
        'rgb8': _Encoding(3, _same),
        'rgba8': _Encoding(4, _colour(cv2.COLOR_RGBA2RGB)),
        'bgr8': bgr,
        '8UC3': bgr,  # OpenCV's order, as RViz reads it too
        'bgra8': bgra,
        '8UC4': bgra,
        'mono16': _Encoding(1, _same, sample_bytes=2),
        '16UC1': _Encoding(1, _same, sample_bytes=2),
        'rgb16': _Encoding(3, _same, sample_bytes=2),
        'bgr16': _Encoding(3, _colour(cv2.COLOR_BGR2RGB), sample_bytes=2),
        'yuv422': uyvy,
        'uyvy': uyvy,
        'yuv422_yuy2': yuyv,
        'yuyv': yuyv,
    }
    for name, code in (('nv12', cv2.COLOR_YUV2RGB_NV12), ('nv21', cv2.COLOR_YUV2RGB_NV21)):
        known[name] = _Encoding(1, _colour(code), columns_multiple=2, rows_multiple=2, rows_ratio=(3, 2))
    for pattern, code in (  # OpenCV's older names, after the second row's middle: 4.5 (Ubuntu 22.04) has no others
        ('rggb', cv2.COLOR_BayerBG2RGB),
        ('bggr', cv2.COLOR_BayerRG2RGB),
        ('gbrg', cv2.COLOR_BayerGR2RGB),
        ('grbg', cv2.COLOR_BayerGB2RGB),
    ):
        for sample_bytes in (1, 2):
            known[f'bayer_{pattern}{8 * sample_bytes}'] = _Encoding(1, _colour(code), sample_bytes, least_px=3)
    return known


_ENCODINGS = _known_encodings()
ENCODINGS = tuple(_ENCODINGS)


def decode_image(encoding: str, height: int, width: int, step: int, is_bigendian: bool, data: ImageData) -> ImageArray:
    """Decode the fields of a sensor_msgs/Image to uint8 (height, width) grey or (height, width, 3) RGB.

    16-bit samples keep their upper byte; an alpha channel is dropped; Bayer patterns are demosaiced. `step` is the
    length of a row in bytes, padding included. mono8 and rgb8 are not copied: the result is a view of `data`, read-only
    where `data` is. Raises ImageError when the encoding is unknown or the sizes contradict each other.
    """
    form = _ENCODINGS.get(encoding)
    if form is None:
        raise ImageError(
            f'The image encoding {encoding[:80]!r} is not known. Known: {", ".join(ENCODINGS)}. Convert it before, for '
            'example with image_proc.'
        )
    _check_size(encoding, form, height, width)
    rows = height * form.rows_ratio[0] // form.rows_ratio[1]
    row_bytes = width * form.channels * form.sample_bytes
    flat = np.frombuffer(data, np.uint8)
    if step < row_bytes or flat.size != step * rows:
        raise ImageError(
            f'An image of {width}x{height} pixels in {encoding} has {rows} rows of at least {row_bytes} bytes; it came '
            f'with step = {step} and {flat.size} bytes of data where step * rows = {step * rows} are due.'
            " Check the camera's driver."
        )
    lines = flat.reshape(rows, step)[:, :row_bytes]
    if form.sample_bytes == 2:  # the upper byte of each sample: 0 in big-endian order, 1 in little-endian order
        lines = np.ascontiguousarray(lines[:, 0 if is_bigendian else 1 :: 2])
    return form.convert(lines.reshape(rows, width) if form.channels == 1 else lines.reshape(rows, width, form.channels))


def decode_compressed(format: str, data: ImageData) -> ImageArray:
    """Decode the fields of a sensor_msgs/CompressedImage (JPEG or PNG) to uint8 (H, W) grey or (H, W, 3) RGB.

    `format` is that of compressed_image_transport ('rgb8; jpeg compressed bgr8'): where it says that the colours were
    compressed in RGB order, they come out of OpenCV in that order. Size, memory and scans are read from the headers and
    refused beyond the limits above before anything is decoded. Raises ImageError on anything else than a sound JPEG or
    PNG.
    """
    content = np.frombuffer(data, np.uint8)
    claim = claim_of(content.tobytes())
    if claim is None:
        raise ImageError(
            f'A compressed image (format {format[:80]!r}, {len(content)} bytes) is neither JPEG nor PNG, or it '
            f'is cut short. {_REMEDY}'
        )
    _check_claim(claim)
    try:
        pixels = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError(
            f'A compressed image (format {format[:80]!r}) cannot be decoded: {error.err}. {_REMEDY}'
        ) from error
    if pixels is None:
        raise ImageError(
            f'A compressed image (format {format[:80]!r}, {len(content)} bytes) is damaged: OpenCV refuses it. '
            f'{_REMEDY}'
        )
    if pixels.dtype == np.uint16:
        upper = 1 if sys.byteorder == 'little' else 0
        pixels = np.ascontiguousarray(pixels.view(np.uint8).reshape(*pixels.shape, 2)[..., upper])
    image = np.asarray(pixels, dtype=np.uint8)
    if image.ndim == 2:
        return image
    if image.shape[2] == 4:
        image = image[:, :, :3]
    if 'compressed rgb' in format:
        return np.ascontiguousarray(image)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _check_claim(claim: Claim) -> None:
    """Raise ImageError on what would take too much memory or time."""
    check_image_size(claim.width, claim.height, ImageError, 'A compressed image', fix=SMALLER)
    if claim.memory > MOST_MEMORY:
        raise ImageError(
            f'A compressed image of {claim.width}x{claim.height} pixels would take {claim.memory / 1e6:.0f} MB to '
            f'decode; at most {MOST_MEMORY / 1e6:.0f} MB are given. Send 8 bits without alpha, or smaller images.'
        )
    if claim.scans > MOST_SCANS or claim.work > MOST_WORK:
        raise ImageError(
            f'A JPEG of {claim.width}x{claim.height} pixels has {claim.scans} scans, which would take long to decode. '
            'Send baseline JPEGs, or smaller ones.'
        )


def _check_size(encoding: str, form: _Encoding, height: int, width: int) -> None:
    check_image_size(width, height, ImageError, f'An image in {encoding}', fix=SMALLER)
    if min(height, width) < form.least_px or height % form.rows_multiple or width % form.columns_multiple:
        raise ImageError(
            f'An image in {encoding} cannot be {width}x{height} pixels: at least {form.least_px}x{form.least_px}, '
            f'its width a multiple of {form.columns_multiple}, its height one of {form.rows_multiple}.'
            " Set another size or encoding in the camera's driver."
        )
