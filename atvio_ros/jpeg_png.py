"""What a JPEG or PNG claims about itself, read before it is decoded: its size, the memory and the work it asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MOST_SEGMENTS = 10_000
_NEXT_MARKER = re.compile(rb'\xff[^\x00\xff\xd0-\xd7]')  # among entropy-coded data, with its stuffing and restarts


@dataclass(frozen=True)
class Claim:
    """Size [px], bytes that decoding takes at its peak, and how often each pixel is gone over."""

    width: int
    height: int
    memory: int
    scans: int = 1

    @property
    def work(self) -> int:
        """Pixels gone over: a JPEG of 140 kB may ask for 25 billion."""
        return self.width * self.height * self.scans


def claim_of(data: bytes) -> Claim | None:
    """What the first bytes and segments say; None where it is neither PNG nor JPEG, or cut short."""
    return _png(data) or _jpeg(data)


def _png(data: bytes) -> Claim | None:
    """From the first chunk (ISO/IEC 15948, 5.3 and 11.2.2).

    Every chunk must lie within the data, for OpenCV allocates what a chunk claims, and there is one picture only.
    """
    if len(data) < 26 or data[:8] != b'\x89PNG\r\n\x1a\n' or data[12:16] != b'IHDR':
        return None
    position, kind, chunks = 8, b'', 0
    while kind != b'IEND':
        chunk = data[position : position + 8]
        kind = chunk[4:]
        position += 12 + int.from_bytes(chunk[:4], 'big')  # length, type, data, checksum
        chunks += 1
        if len(chunk) < 8 or position > len(data) or kind == b'acTL' or chunks > _MOST_SEGMENTS:
            return None
    width, height = int.from_bytes(data[16:20], 'big'), int.from_bytes(data[20:24], 'big')
    depth, colours = data[24], data[25]
    samples = 1 if colours == 0 else 4  # grey; all others may come out with alpha
    decoded = width * height * samples * (2 if depth == 16 else 1)
    return Claim(width, height, 2 * decoded)  # and once more while it is turned into 8 bits and RGB


def _jpeg(data: bytes) -> Claim | None:
    """From the frame header and the scans (ITU-T T.81, B.2)."""
    if data[:2] != b'\xff\xd8':
        return None
    size: tuple[int, int] | None = None
    progressive, scans, position = False, 0, 2
    for _ in range(_MOST_SEGMENTS):
        if position + 9 > len(data):
            break
        if data[position] != 0xFF:
            if not scans:
                return None
            found = _NEXT_MARKER.search(data, position)  # as libjpeg, which skips what it does not know
            if found is None:
                break
            position = found.start()
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker == 0xD9:  # end of image
            break
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7 or marker == 0x00:  # stand alone, without a length
            position += 2
        else:
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # SOF0..15; not DHT, JPG, DAC
                size = size or (
                    int.from_bytes(data[position + 7 : position + 9], 'big'),
                    int.from_bytes(data[position + 5 : position + 7], 'big'),
                )
                progressive = progressive or marker in (0xC2, 0xC6, 0xCA, 0xCE)
            position += 2 + int.from_bytes(data[position + 2 : position + 4], 'big')
            if marker == 0xDA:  # start of scan: its data go on to the next marker
                scans += 1
                found = _NEXT_MARKER.search(data, position)
                if found is None:
                    break
                position = found.start()
    else:
        return None
    if size is None:
        return None
    width, height = size
    several = progressive or scans > 1  # then all coefficients are kept
    return Claim(width, height, width * height * (12 if several else 6), max(scans, 1))
