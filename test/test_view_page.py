"""The page of a drive is one file that needs no network, shows all that a run left, and is made again from it."""

from __future__ import annotations

import json
import re
import zipfile

import numpy as np
import pytest
from samples.road_bags import write_road
from samples.view_folders import estimates, trajectory, write_run

from atvio_ros.cli.main import main
from atvio_ros.errors import TrajectoryError
from atvio_ros.evaluation import view_data
from atvio_ros.evaluation.index_page import write_index
from atvio_ros.evaluation.metrics import evaluate
from atvio_ros.evaluation.several import compare_drives
from atvio_ros.evaluation.view_data import read_view
from atvio_ros.evaluation.view_page import page
from atvio_ros.evaluation.view_pictures import MOST, ViewPictures, read_pictures, write_pictures
from atvio_ros.timeline import COLUMNS, read_timeline, timeline_of, write_timeline
from atvio_ros.trajectory_files import read_kitti_poses

FRAMES = 150


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp('view') / 'run', FRAMES, attention=True, warning='dark')


def data_of(html):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    return json.loads(text)


def test_a_timeline_comes_back_from_its_file(tmp_path):
    made = timeline_of(estimates(30, warning='dark; "quoted", with commas\nand a line'))
    write_timeline(tmp_path / 'timeline.csv', made)
    read = read_timeline(tmp_path / 'timeline.csv')
    np.testing.assert_array_equal(read.stamps_ns, made.stamps_ns)
    np.testing.assert_allclose(read.poses, made.poses, atol=1e-7)
    for name in COLUMNS:
        np.testing.assert_allclose(read.values[name], made.values[name], rtol=1e-7, err_msg=name)
    assert (read.states, read.messages) == (made.states, made.messages)
    assert np.isnan(read.values['attention_visual']).all()


@pytest.mark.parametrize(
    ('spoil', 'complaint'),
    [
        (lambda text: 'a,b\n1,2\n', 'its first line'),
        (lambda text: text.splitlines()[0] + '\n', 'holds no estimates'),
        (lambda text: text.replace('1000000000200000000,', 'soon,'), 'line 3 is not a row'),
        (lambda text: text.replace('1000000000200000000,', '1000000000200000000,nan,'), 'line 3 is not a row'),
        (lambda text: text[:-30], 'is not a row'),
    ],
)
def test_a_damaged_timeline_is_refused_with_its_line(spoil, complaint, tmp_path):
    path = tmp_path / 'timeline.csv'
    write_timeline(path, timeline_of(estimates(5)))
    path.write_text(spoil(path.read_text()))
    with pytest.raises(TrajectoryError, match=complaint):
        read_timeline(path)


def test_the_page_holds_everything_and_asks_nobody(folder):
    html = (folder / 'view.html').read_text()
    for where in (r'<\w[^>]*\ssrc\s*=', r'@import', r'url\(', r'fetch\(', r'XMLHttpRequest', r'WebSocket'):
        assert not re.search(where, html), where
    assert re.findall(r'<link[^>]*>', html) == ['<link rel="icon" href="data:,">']
    assert "default-src 'none'; img-src data:" in html
    data = data_of(html)
    assert len(data['t']) == len(data['x']) == len(data['truth']['x']) == FRAMES
    assert [state for _, state in data['states']] == ['tracking', 'stationary', 'tracking', 'degraded']
    assert data['messages'][-1] == [FRAMES - 1, 'dark']
    assert data['values']['attention_visual'][0] == 0.6
    assert data['values']['error'][-1] == pytest.approx(2.0, rel=0.9)
    assert {name for name, *_ in data['figures']} >= {'t_rel', 'at mean speed', 'r_rel', 'ATE', 'length'}
    assert ['without odometry: first_image', '1'] in data['counts']
    assert ['camera_height', '1.65 (from rig.yaml)'] in data['made']
    assert len(data['pictures']) == FRAMES // 2  # 5 a second of 10
    assert data['pictures'][0][1].startswith('data:image/jpeg;base64,')


def test_what_an_estimator_does_not_tell_is_not_on_the_page(tmp_path):
    write_run(tmp_path / 'run', 20, truth=False, pictures=False, road=False)
    data = data_of((tmp_path / 'run' / 'view.html').read_text())
    assert data['truth'] is None
    assert data['pictures'] == []
    assert not {'road_tilt', 'travel_pitch', 'attention_visual', 'error'} & data['values'].keys()
    assert not (tmp_path / 'run' / 'pictures.zip').exists()


def test_names_and_messages_of_others_are_text_and_no_markup(tmp_path):
    evil = '</script><script>alert(1)</script><img src=x onerror=alert(2)>@@DATA@@'
    write_run(tmp_path / 'run', 20, name=evil, warning=evil)
    html = (tmp_path / 'run' / 'view.html').read_text()
    assert '<script>alert' not in html
    assert '<img src' not in html
    data = data_of(html)
    assert (data['name'], data['messages'][-1][1]) == (evil, evil)


def test_the_command_makes_the_page_again_from_what_the_run_left(folder, capsys, monkeypatch):
    before = (folder / 'view.html').read_text()
    (folder / 'view.html').unlink()
    monkeypatch.setattr('webbrowser.open', lambda url: pytest.fail('nobody asked for a browser'))
    assert main(['view', str(folder)]) == 0
    assert (folder / 'view.html').read_text() == before
    assert capsys.readouterr().out.strip() == f'The page is {folder / "view.html"}'
    opened = []
    monkeypatch.setattr('webbrowser.open', opened.append)
    assert main(['view', str(folder), '--open']) == 0
    assert opened == [(folder / 'view.html').resolve().as_uri()]


def test_the_command_runs_a_bag_first(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bag = write_road(tmp_path / 'drive', 12, colour=True)
    assert main(['view', str(bag), '--to', '1.0']) == 0
    assert 'view.html' in capsys.readouterr().out
    data = data_of((tmp_path / 'output' / 'drive' / 'view.html').read_text())
    assert 5 < len(data['t']) < 11
    assert data['pictures']
    assert data['values']['road_support']


def test_the_command_makes_all_pages_of_an_evaluation(tmp_path, capsys):
    for name in ('a', 'b'):
        write_run(tmp_path / name, 5, name=name)
        (tmp_path / name / 'view.html').unlink()
    assert main(['view', str(tmp_path)]) == 0
    assert (tmp_path / 'a' / 'view.html').is_file()
    assert (tmp_path / 'b' / 'view.html').is_file()
    assert main(['view', str(tmp_path), '--video', str(tmp_path / 'a.webp')]) == 1
    assert 'name the folder of the one to film' in capsys.readouterr().err


def test_the_command_says_what_is_wrong_with_a_folder(tmp_path, capsys):
    folder = write_run(tmp_path / 'run', 5)
    for option in (['--out', str(tmp_path / 'other')], ['--camera-height', '1'], ['--no-standstill']):
        assert main(['view', str(folder), *option]) == 1
        assert f'{option[0]} is for a bag' in capsys.readouterr().err
    (folder / 'result.json').write_text('{"sequences": {}}')
    assert main(['view', str(folder)]) == 1
    assert 'no result.json of one drive' in capsys.readouterr().err
    (folder / 'timeline.csv').unlink()
    assert main(['view', str(folder)]) == 1
    assert 'Run the bag again' in capsys.readouterr().err
    assert main(['view', str(tmp_path / 'nothing')]) == 1


def test_a_long_drive_has_fewer_rows_and_pictures_and_says_so(folder, monkeypatch):
    monkeypatch.setattr(view_data, 'MOST_ROWS', FRAMES // 2)
    view = read_view(folder)
    assert (len(view.timeline), view.left_out) == (FRAMES // 2, FRAMES // 2)
    assert ['estimates', f'{FRAMES // 2} shown, {FRAMES // 2} left out'] in data_of(page(view))['made']
    seen = ViewPictures()
    for i in range(5000):
        seen.add(i * 10**8, np.zeros((2, 4, 3), np.uint8))
    assert MOST <= len(seen.kept) < 2 * MOST
    assert len({b - a for (a, _), (b, _) in zip(seen.kept, seen.kept[1:])}) == 1  # noqa: B905


def test_an_archive_that_is_not_of_small_jpegs_is_refused(tmp_path):
    path = tmp_path / 'pictures.zip'
    assert read_pictures(path) == []
    write_pictures(path, [(5, b'\xff\xd8a'), (2, b'\xff\xd8b')])
    assert read_pictures(path) == [(2, b'\xff\xd8b'), (5, b'\xff\xd8a')]
    for name, content, packing in (
        ('../5.jpg', b'\xff\xd8', zipfile.ZIP_STORED),
        ('5.jpg', b'<svg>', zipfile.ZIP_STORED),
        ('5.jpg', b'\xff\xd8' + bytes(1000), zipfile.ZIP_DEFLATED),
    ):
        with zipfile.ZipFile(path, 'w', packing) as archive:
            archive.writestr(name, content)
        with pytest.raises(TrajectoryError):
            read_pictures(path)
    path.write_bytes(b'PK\x03\x04 cut')
    with pytest.raises(TrajectoryError, match='cannot be read'):
        read_pictures(path)


def test_the_timeline_of_a_run_is_its_trajectory(folder):
    made = trajectory(estimates(FRAMES, attention=True))
    np.testing.assert_allclose(read_timeline(folder / 'timeline.csv').poses, made.poses[1:], atol=1e-6)


def test_several_drives_have_a_page_with_their_figures_beside_the_papers(tmp_path):
    results = {name: write_report_of(tmp_path / name, frames) for name, frames in (('a long one', 150), ('short', 60))}
    compare_drives(tmp_path, results, 'road')
    index = write_index(tmp_path, [*results, 'no truth'], results, {'model': 'road'})
    data = data_of(index.read_text())
    assert data['links'] == ['a%20long%20one/view.html', 'short/view.html', 'no%20truth/view.html']
    assert [row[0] for row in data['rows']] == ['a long one', 'short', 'no truth', 'average']
    assert data['rows'][0][1] == f'{results["a long one"].t_rel:.2f}'
    assert data['rows'][1][1] == '-'
    assert data['rows'][1][4] == f'{results["short"].short[0].t_rel:.2f}'
    assert ['ca_a', '4.80', '2.65'] in data['paper']
    assert 'KITTI' in data['note']
    assert 'other drives' in data['note']
    assert data['picture'].startswith('data:image/png;base64,')


def write_report_of(folder, frames):
    write_run(folder, frames, name=folder.name)
    poses = [read_kitti_poses(folder / f'{kind}.kitti.txt') for kind in ('truth', 'estimate')]
    return evaluate(*poses)
