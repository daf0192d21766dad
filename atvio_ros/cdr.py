"""The messages that come most often, straight from CDR, their wire format (OMG DDSI-RTPS 10, XCDR version 1).

rclpy makes a Python object of every field of a message; of an image only its pixels are wanted, of an Imu six numbers.
The results have the attributes that message_decoding.py reads.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from atvio_ros.errors import MessageError
from atvio_ros.transform_tree import frame_name
from atvio_ros.types import NANOSECONDS, ImuSample

_START = 4  # alignment counts from behind the encapsulation header
_ORDERS = {0: '>', 1: '<'}  # plain CDR, by the second byte of that header
_REMEDY = 'Copy the bag again, or check what publishes it.'
_ANGULAR_VELOCITY = 8 * (4 + 9)  # behind orientation and its covariance
_LINEAR_ACCELERATION = _ANGULAR_VELOCITY + 8 * (3 + 9)
_IMU_BODY = _LINEAR_ACCELERATION + 8 * (3 + 9)


@dataclass(frozen=True)
class CdrStamp:
    """builtin_interfaces/Time."""

    sec: int
    nanosec: int


@dataclass(frozen=True)
class CdrHeader:
    """std_msgs/Header."""

    stamp: CdrStamp
    frame_id: str


@dataclass(frozen=True)
class CdrImage:
    """sensor_msgs/Image; `data` is a part of the message, not a copy."""

    header: CdrHeader
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


@dataclass(frozen=True)
class CdrCompressedImage:
    """sensor_msgs/CompressedImage; `data` likewise."""

    header: CdrHeader
    format: str
    data: memoryview


def imu_from_cdr(cdr: bytes) -> ImuSample:
    """sensor_msgs/Imu as message_decoding.imu_sample has it. Raises MessageError on what is none."""
    order = _order(cdr)
    try:
        sec, nanosec, length = _header_form(order).unpack_from(cdr, _START)
        name, body = _START + 12, -(-(12 + length) // 8) * 8 + _START
        if len(cdr) < body + _IMU_BODY:
            raise MessageError(f'An Imu message of {len(cdr)} bytes is too short. {_REMEDY}')
        w = np.frombuffer(cdr, f'{order}f8', 3, body + _ANGULAR_VELOCITY)
        a = np.frombuffer(cdr, f'{order}f8', 3, body + _LINEAR_ACCELERATION)
        return ImuSample(sec * NANOSECONDS + nanosec, w, a, _frame(cdr[name : name + length]))
    except struct.error as error:
        raise MessageError(f'An Imu message cannot be read: {error}. {_REMEDY}') from error


def image_from_cdr(cdr: bytes) -> CdrImage:
    """sensor_msgs/Image. Raises MessageError on what is none."""
    read = _Reader(cdr, 'Image')
    header, height, width = read.header(), read.number(), read.number()
    encoding, is_bigendian, step = read.string(), read.byte(), read.number()
    return CdrImage(header, height, width, encoding, is_bigendian, step, read.bytes())


def compressed_image_from_cdr(cdr: bytes) -> CdrCompressedImage:
    """sensor_msgs/CompressedImage. Raises MessageError on what is none."""
    read = _Reader(cdr, 'CompressedImage')
    return CdrCompressedImage(read.header(), read.string(), read.bytes())


class _Reader:
    """Takes one field after the other."""

    def __init__(self, cdr: bytes, name: str) -> None:
        self._cdr = cdr
        self._name = name
        self._little = _order(cdr) == '<'
        self._at = _START

    def header(self) -> CdrHeader:
        sec, nanosec = self.number(), self.number()
        return CdrHeader(CdrStamp(sec - ((sec & 0x80000000) << 1), nanosec), self.string())

    def byte(self) -> int:
        return self._take(1)[0]

    def number(self) -> int:
        """uint32."""
        self._at += -(self._at - _START) % 4
        return int.from_bytes(self._take(4), 'little' if self._little else 'big')

    def string(self) -> str:
        return _text(bytes(self._take(self.number())))

    def bytes(self) -> memoryview:
        """A sequence of uint8."""
        return self._take(self.number())

    def _take(self, count: int) -> memoryview:
        end = self._at + count
        if end > len(self._cdr):
            raise MessageError(
                f'A message of type {self._name} ends after {len(self._cdr)} bytes, in a field. {_REMEDY}'
            )
        part = memoryview(self._cdr)[self._at : end]
        self._at = end
        return part


def _order(cdr: bytes) -> str:
    """Byte order as struct writes it."""
    if len(cdr) < _START or cdr[0] or cdr[1] not in _ORDERS:
        raise MessageError(f'A message begins with {bytes(cdr[:_START]).hex()}, which is not plain CDR. {_REMEDY}')
    return _ORDERS[cdr[1]]


@lru_cache(maxsize=2)
def _header_form(order: str) -> struct.Struct:
    return struct.Struct(f'{order}iII')  # seconds, nanoseconds, length of frame_id


@lru_cache(maxsize=64)
def _frame(text: bytes) -> str:
    return frame_name(_text(text))


def _text(text: bytes) -> str:
    return text.rstrip(b'\0').decode('utf-8', errors='replace')
