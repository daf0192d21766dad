"""Small files and few words that ask for much memory or time are refused before it is spent."""

from __future__ import annotations

import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
from samples.bombs import png, png_chunk
from samples.command_line import complaint
from samples.kitti import write_raw

from atvio_ros.errors import CalibrationError, ImageError
from atvio_ros.image_decoding import MOST_SCANS, decode_compressed, decode_image
from atvio_ros.jpeg_png import claim_of
from atvio_ros.rig.camera_info import from_camera_info
from atvio_ros.view.stored import stored_camera
from atvio_ros.view.virtual_camera import VirtualCamera

PROGRESSIVE = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, channels), dtype=np.uint8)


def jpeg(image: np.ndarray, *parameters: int) -> bytes:
    return cv2.imencode('.jpg', image, list(parameters))[1].tobytes()


def with_scans(data: bytes, more: int) -> bytes:
    """The JPEG with its last scan repeated."""
    end = data.rindex(b'\xff\xd9')
    start = data.rindex(b'\xff\xda')
    return data[:end] + data[start:end] * more + data[end:]


@pytest.mark.parametrize('image', [noise(64, 48), noise(17, 33, 1), np.zeros((64, 64, 3), np.uint8)])
@pytest.mark.parametrize(
    'parameters', [(), PROGRESSIVE, (cv2.IMWRITE_JPEG_RST_INTERVAL, 2), (cv2.IMWRITE_JPEG_QUALITY, 100)]
)
def test_the_claim_of_a_usual_jpeg_is_its_size_and_its_scans(image, parameters):
    data = jpeg(image, *parameters)
    claim = claim_of(data)
    assert (claim.height, claim.width) == image.shape[:2]
    assert claim.scans == len(re.findall(rb'\xff\xda', data))
    assert (claim.scans > 3) == (parameters == PROGRESSIVE)
    assert decode_compressed('jpeg', data).shape[:2] == image.shape[:2]


def test_a_thumbnail_inside_a_jpeg_is_not_counted():
    thumbnail = jpeg(noise(16, 16), *PROGRESSIVE)
    data = jpeg(noise(64, 48))
    app1 = b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    claim = claim_of(data[:2] + app1 + data[2:])
    assert (claim.width, claim.height, claim.scans) == (48, 64, 1)


def test_a_jpeg_with_a_thousand_scans_is_refused_before_decoding():
    data = with_scans(jpeg(noise(500, 500), *PROGRESSIVE), 1000)
    with pytest.raises(ImageError, match=r'500x500 pixels has 10\d\d scans, .*Send baseline JPEGs'):
        decode_compressed('jpeg', data)


def test_many_scans_of_a_large_jpeg_are_refused_though_fewer_than_allowed():
    data = with_scans(jpeg(np.zeros((5000, 5000), np.uint8), *PROGRESSIVE), MOST_SCANS // 2)
    with pytest.raises(ImageError, match=r'5000x5000 pixels has .* scans'):
        decode_compressed('jpeg', data)


def test_a_jpeg_of_nothing_but_markers_is_refused():
    start = jpeg(noise(16, 16))
    for filler in (b'\xff\x01', b'\xff\xd0', b'\xff\xfe\x00\x02', b'\xff\xff', b'\xff\x00'):
        with pytest.raises(ImageError):
            decode_compressed('jpeg', start[:2] + filler * 50_000 + start[2:])


def test_a_png_of_many_pixels_and_much_depth_is_refused_by_its_header():
    head = png(7000, 7000)
    deep = head[:24] + b'\x10\x06' + head[26:] + png_chunk(b'IDAT', b'') + png_chunk(b'IEND', b'')
    with pytest.raises(ImageError, match=r'7000x7000 pixels would take 784 MB to decode; at most 320 MB'):
        decode_compressed('png', deep)


def test_a_sixteen_bit_png_keeps_its_upper_bytes():
    image = noise(40, 30, 4).astype(np.uint16) * 257
    np.testing.assert_array_equal(
        decode_compressed('png', cv2.imencode('.png', image)[1]), (image // 256)[..., 2::-1].astype(np.uint8)
    )


@pytest.mark.parametrize(('width', 'height'), [(100_000, 1), (1, 100_000), (0, 4), (8000, 8000)])
def test_an_image_that_claims_an_impossible_size_is_refused(width, height):
    with pytest.raises(ImageError, match=f'an image of {width}x{height} is not possible'):
        decode_image('mono8', height, width, width, False, bytes(width * height))


@pytest.mark.parametrize('size', [(20_000, 20_000), (100_000, 100_000), (40_000, 100), (4_000_000_000, 1), (0, 1)])
def test_calibrations_and_views_of_impossible_sizes_are_refused(size):
    width, height = size
    k = (0.5 * width, 0, 0.5 * width, 0, 0.5 * width, 0.5 * height, 0, 0, 1)
    with pytest.raises(CalibrationError, match='is not possible'):
        from_camera_info(width, height, 'plumb_bob', (), k)
    with pytest.raises(CalibrationError, match='is not possible'):
        VirtualCamera(width, height, 1.0, 1.0, 0.0, 0.0)


def test_a_model_whose_view_would_be_kept_in_gigabytes_is_refused():
    with pytest.raises(CalibrationError, match=r'a virtual camera: an image of .* is not possible'):
        stored_camera(VirtualCamera(416, 128, 1e-9, 1e9, 208.0, 64.0))


@pytest.mark.parametrize('size', ['20000 20000', '100000 100000', '1242 3.76e9', 'nan 375', '1242 0'])
def test_a_kitti_calibration_of_an_impossible_size_is_one_line(tmp_path, capsys, size):
    raw = write_raw(tmp_path)
    (file,) = raw.rglob('calib_cam_to_cam.txt')
    file.write_text(re.sub(r'(S_rect_0\d:).*', rf'\1 {size}', file.read_text()))
    line = complaint(
        capsys, 'export-kitti', '--raw', raw, '--poses', raw / 'poses', '--sequence', '04', '--out', tmp_path / 'bag'
    )
    assert 'S_rect_02' in line


@pytest.mark.parametrize('size', ['100000x100000', '9' * 5000 + 'x1', '0x5', '5000x5000', '\u0663x5'])
def test_a_size_on_the_command_line_is_limited(tmp_path, capsys, size):
    assert '--size' in complaint(capsys, 'prepare', tmp_path, '--out', tmp_path / 'out', '--size', size)


BOMBS = """
import resource, sys
import cv2, numpy as np
from atvio_ros.errors import AtvioError
from atvio_ros.image_decoding import MOST_MEMORY, decode_compressed
cv2.setNumThreads(1)
files = [cv2.imencode('.png', np.zeros((side, side, 4), np.uint16), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1] for side in
         map(int, sys.argv[1:])]
now = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
memory = now + MOST_MEMORY + (64 << 20)
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
for data in files:
    try:
        decode_compressed('png', data)
    except AtvioError as error:
        print('refused')
    else:
        print('decoded')
"""


def test_largest_png_that_is_taken_stays_below_the_memory_that_is_given():
    """4000x4000 RGBA with 16 bits: 256 MB by the count; one of 5000x5000 is refused."""
    done = subprocess.run([sys.executable, '-c', BOMBS, '4000', '5000'], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['decoded', 'refused']
