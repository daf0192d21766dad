"""Every encoding shows the same scene the right way round, whatever its padding and byte order; the rest is refused."""

from __future__ import annotations

import array

import cv2
import numpy as np
import pytest

from atvio_ros import image_decoding as images
from atvio_ros.errors import ImageError
from atvio_ros.image_decoding import decode_compressed, decode_image

HEIGHT, WIDTH = 6, 8
BAYER = {'rggb': ('rg', 'gb'), 'bggr': ('bg', 'gr'), 'gbrg': ('gb', 'rg'), 'grbg': ('gr', 'bg')}


def colour_image() -> np.ndarray:
    """(6, 8, 3) RGB, each channel different, each row different."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack((200 + rows, 100 + columns, 10 + rows + columns), axis=-1).astype(np.uint8)


def pad(lines: np.ndarray, padding: int) -> tuple[int, bytes]:
    """(step, data) of pixel rows (H, ...) with `padding` bytes of rubbish behind each row."""
    flat = np.ascontiguousarray(lines).view(np.uint8).reshape(len(lines), -1)
    padded = np.pad(flat, ((0, 0), (0, padding)), constant_values=77)
    return padded.shape[1], padded.tobytes()


def as_16_bit(image: np.ndarray, big_endian: bool) -> np.ndarray:
    return (image.astype(np.uint16) * 256 + 199).astype('>u2' if big_endian else '<u2')


@pytest.mark.parametrize('padding', [0, 1, 5])
@pytest.mark.parametrize(
    ('encoding', 'order'),
    [
        ('rgb8', [0, 1, 2]),
        ('bgr8', [2, 1, 0]),
        ('8UC3', [2, 1, 0]),
        ('rgba8', [0, 1, 2, 0]),
        ('bgra8', [2, 1, 0, 0]),
        ('8UC4', [2, 1, 0, 0]),
    ],
)
def test_colour_comes_out_as_rgb_whatever_the_channel_order_and_the_padding(encoding, order, padding):
    image = colour_image()
    step, data = pad(image[..., order], padding)
    np.testing.assert_array_equal(decode_image(encoding, HEIGHT, WIDTH, step, False, data), image)


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_stays_two_dimensional(encoding, padding):
    image = colour_image()[..., 0]
    step, data = pad(image, padding)
    np.testing.assert_array_equal(decode_image(encoding, HEIGHT, WIDTH, step, False, data), image)


@pytest.mark.parametrize('padding', [0, 2, 3])
@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize(('encoding', 'order'), [('rgb16', [0, 1, 2]), ('bgr16', [2, 1, 0])])
def test_sixteen_bit_colour_keeps_its_upper_byte_in_both_byte_orders(encoding, order, big_endian, padding):
    image = colour_image()
    step, data = pad(as_16_bit(image[..., order], big_endian), padding)
    np.testing.assert_array_equal(decode_image(encoding, HEIGHT, WIDTH, step, big_endian, data), image)


@pytest.mark.parametrize('padding', [0, 2, 3])
@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_sixteen_bit_grey_spans_the_eight_bit_range_in_both_byte_orders(encoding, big_endian, padding):
    image = colour_image()[..., 1]
    image[0, 0], image[0, 1] = 0, 255
    step, data = pad(as_16_bit(image, big_endian), padding)
    np.testing.assert_array_equal(decode_image(encoding, HEIGHT, WIDTH, step, big_endian, data), image)


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('pattern', BAYER)
def test_bayer_patterns_give_back_the_colour_of_a_uniform_scene(pattern, bits, padding):
    colour = {'r': 220, 'g': 120, 'b': 20}
    tile = np.array([[colour[letter] for letter in row] for row in BAYER[pattern]], dtype=np.uint8)
    mosaic = np.tile(tile, (HEIGHT // 2, WIDTH // 2))
    step, data = pad(mosaic if bits == 8 else as_16_bit(mosaic, big_endian=True), padding)
    decoded = decode_image(f'bayer_{pattern}{bits}', HEIGHT, WIDTH, step, True, data)
    np.testing.assert_array_equal(decoded, np.broadcast_to([220, 120, 20], (HEIGHT, WIDTH, 3)))


def test_yuv_encodings_agree_on_a_red_scene():
    # ITU-R BT.601 in studio range: pure red is Y 81, U 90, V 240.
    y, u, v = 81, 90, 240
    rows = {
        'uyvy': [u, y, v, y],
        'yuv422': [u, y, v, y],
        'yuyv': [y, u, y, v],
        'yuv422_yuy2': [y, u, y, v],
    }
    for encoding, pixels in rows.items():
        step, data = pad(np.tile(np.array(pixels, np.uint8), (HEIGHT, WIDTH // 2)), 6)
        red = decode_image(encoding, HEIGHT, WIDTH, step, False, data)
        assert red.shape == (HEIGHT, WIDTH, 3)
        np.testing.assert_allclose(red, np.broadcast_to([255, 0, 0], red.shape), atol=2)
    for encoding, chroma in {'nv12': [u, v], 'nv21': [v, u]}.items():
        planes = np.vstack((np.full((HEIGHT, WIDTH), y), np.tile(chroma, (HEIGHT // 2, WIDTH // 2)))).astype(np.uint8)
        step, data = pad(planes, 4)
        red = decode_image(encoding, HEIGHT, WIDTH, step, False, data)
        np.testing.assert_allclose(red, np.broadcast_to([255, 0, 0], red.shape), atol=2)


def test_every_known_encoding_is_tested_above():
    tested = {'mono8', '8UC1', 'mono16', '16UC1', 'rgb8', 'bgr8', '8UC3', 'rgba8', 'bgra8', '8UC4', 'rgb16', 'bgr16'}
    tested |= {'uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2', 'nv12', 'nv21'}
    tested |= {f'bayer_{pattern}{bits}' for pattern in BAYER for bits in (8, 16)}
    assert set(images.ENCODINGS) == tested


@pytest.mark.parametrize('wrap', [bytes, bytearray, memoryview, np.array, lambda d: array.array('B', d.tobytes())])
def test_the_data_may_be_any_buffer_and_is_not_copied_for_mono8(wrap):
    image = np.arange(48, dtype=np.uint8)
    data = wrap(image)
    decoded = decode_image('mono8', 6, 8, 8, False, data)
    np.testing.assert_array_equal(decoded.reshape(-1), image)
    assert np.shares_memory(decoded, np.frombuffer(data, np.uint8))


def test_an_unknown_encoding_is_refused_with_the_known_ones():
    with pytest.raises(ImageError, match=r"'32FC1' is not known\. Known: mono8, .*rgb8"):
        decode_image('32FC1', 2, 2, 8, False, bytes(16))


@pytest.mark.parametrize(
    ('encoding', 'height', 'width', 'step', 'size'),
    [
        ('mono8', 4, 4, 4, 15),  # short
        ('mono8', 4, 4, 4, 17),  # long
        ('mono8', 4, 4, 3, 12),  # step below the row
        ('rgb8', 4, 4, 4, 16),
        ('mono8', 0, 4, 4, 0),
        ('mono8', 4, 0, 0, 0),
        ('mono8', -1, 4, 4, 16),
        ('rgb8', 2**31, 2**31, 2**33, 16),  # must not be allocated
        ('uyvy', 4, 3, 6, 24),
        ('nv12', 3, 4, 4, 16),
        ('bayer_rggb8', 2, 2, 2, 4),
    ],
)
def test_contradicting_sizes_are_refused_naming_the_encoding(encoding, height, width, step, size):
    with pytest.raises(ImageError, match=encoding):
        decode_image(encoding, height, width, step, False, bytes(size))


@pytest.mark.parametrize('extension', ['.png', '.jpg'])
def test_compressed_colour_comes_out_as_rgb(extension):
    image = np.full((16, 24, 3), (200, 100, 20), np.uint8)
    for stored, format in (
        (image[..., ::-1], 'jpeg'),
        (image[..., ::-1], 'rgb8; jpeg compressed bgr8'),
        (image, 'rgb8; jpeg compressed rgb8'),
    ):
        data = cv2.imencode(extension, np.ascontiguousarray(stored))[1]
        decoded = decode_compressed(format, data.tobytes())
        assert decoded.shape == image.shape
        np.testing.assert_allclose(decoded, image, atol=3)


def test_compressed_grey_alpha_and_sixteen_bit_pngs():
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    np.testing.assert_array_equal(decode_compressed('png', cv2.imencode('.png', grey)[1]), grey)
    deep = as_16_bit(grey, big_endian=False).astype(np.uint16)
    np.testing.assert_array_equal(decode_compressed('mono16; png compressed', cv2.imencode('.png', deep)[1]), grey)
    bgra = np.dstack((colour_image()[..., ::-1], np.full((HEIGHT, WIDTH), 9, np.uint8)))
    np.testing.assert_array_equal(decode_compressed('png', cv2.imencode('.png', bgra)[1]), colour_image())


def test_a_compressed_image_that_claims_a_huge_size_is_refused_before_decoding():
    png = bytearray(cv2.imencode('.png', np.zeros((4, 4), np.uint8))[1].tobytes())
    png[16:24] = (60_000).to_bytes(4, 'big') * 2
    with pytest.raises(ImageError, match='60000x60000'):
        decode_compressed('png', png)
    jpeg = bytearray(cv2.imencode('.jpg', np.zeros((4, 4), np.uint8))[1].tobytes())
    frame = jpeg.index(b'\xff\xc0')
    jpeg[frame + 5 : frame + 9] = (60_000).to_bytes(2, 'big') * 2
    with pytest.raises(ImageError, match='60000x60000'):
        decode_compressed('jpeg', jpeg)


@pytest.mark.parametrize('data', [b'', b'\xff\xd8', b'\x89PNG\r\n\x1a\n', b'GIF89a' + bytes(40), bytes(100)])
def test_what_is_neither_jpeg_nor_png_is_refused(data):
    with pytest.raises(ImageError, match='neither JPEG nor PNG'):
        decode_compressed('jpeg', data)


def test_a_truncated_png_is_refused():
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    data = cv2.imencode('.png', noise)[1].tobytes()
    with pytest.raises(ImageError, match='compressed image'):
        decode_compressed('png', data[:60])
