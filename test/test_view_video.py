"""A film has a frame for each picture, in the time of the drive: what was seen above, the growing way below."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image
from samples.view_folders import COLOURS, write_run

from atvio_ros.cli.main import main
from atvio_ros.errors import TrajectoryError
from atvio_ros.evaluation.view_data import read_view
from atvio_ros.evaluation.view_video import CURVES_HEIGHT, LAST_S, WIDTH, write_video

FRAMES = 24


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp('film') / 'run', FRAMES)


def drawn(frame: np.ndarray) -> int:
    """Pixels of the trajectory in the lower left: BGR, blue to red, neither grey nor white."""
    part = frame[-CURVES_HEIGHT:, : WIDTH // 2].astype(int)
    return int((part.max(axis=2) - part.min(axis=2) > 90).sum())


def assert_a_film(first: np.ndarray, last: np.ndarray) -> None:
    assert first.shape == last.shape == (264 + CURVES_HEIGHT, WIDTH, 3)
    for frame, colour in ((first, COLOURS[0]), (last, COLOURS[1])):
        np.testing.assert_allclose(np.median(frame[5:20, -100:], axis=(0, 1)), colour, atol=25)
    assert drawn(last) > 2 * drawn(first) > 0


def test_a_webp_takes_as_long_as_the_drive_and_shows_it(folder, tmp_path, capsys):
    assert main(['view', str(folder), '--video', str(tmp_path / 'film.webp')]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f'The film is {tmp_path / "film.webp"}'
    with Image.open(tmp_path / 'film.webp') as film:
        assert film.n_frames == FRAMES // 2
        frames, milliseconds = [], []
        for i in range(film.n_frames):
            film.seek(i)
            frames.append(np.asarray(film.convert('RGB'))[..., ::-1])
            milliseconds.append(film.info['duration'])
    assert_a_film(frames[0], frames[-1])
    assert milliseconds[:-1] == [200] * (FRAMES // 2 - 1)
    assert milliseconds[-1] == 1000 * LAST_S


def test_an_mp4_has_the_rate_of_the_pictures(folder, tmp_path):
    write_video(tmp_path / 'film.mp4', read_view(folder))
    film = cv2.VideoCapture(str(tmp_path / 'film.mp4'))
    assert film.get(cv2.CAP_PROP_FPS) == pytest.approx(5.0, rel=0.01)
    frames = []
    while (got := film.read())[0]:
        frames.append(got[1])
    assert len(frames) == FRAMES // 2
    assert_a_film(frames[0], frames[-1])


def test_a_film_without_truth_is_blue(tmp_path):
    write_run(tmp_path / 'run', FRAMES, truth=False, road=False)
    counts = []
    write_video(tmp_path / 'film.webp', read_view(tmp_path / 'run'), lambda: counts.append(1))
    assert len(counts) == FRAMES // 2


def test_what_cannot_be_filmed_is_said_before_any_work(folder, tmp_path, capsys):
    assert main(['view', str(tmp_path / 'no bag'), '--video', 'film.gif']) == 1
    assert 'must end in .mp4 or .webp' in capsys.readouterr().err
    (folder / 'pictures.zip').rename(tmp_path / 'away.zip')
    with pytest.raises(TrajectoryError, match=r'no pictures.zip'):
        write_video(tmp_path / 'film.webp', read_view(folder))
    (tmp_path / 'away.zip').rename(folder / 'pictures.zip')
    assert main(['view', str(folder), '--video', str(tmp_path / 'nowhere' / 'film.mp4')]) == 1
    assert 'cannot be written' in capsys.readouterr().err
