"""The walk of docs/your-robot.md: its own command lines, one after the other, on a small drive with every truth."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

pytest.importorskip('lightning', reason='training needs Lightning: pip install atvio_ros[train]')

from samples.road_images import CAMERA_HEIGHT
from test_truth_sources import FRAMES, bag, slam

from atvio_ros.cli.main import main
from atvio_ros.network.road_file import load_road

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / 'docs' / 'your-robot.md').read_text(encoding='utf-8')
SHORTER = {'60': '1.4', '90': '2.3'}  # seconds of the page, in a drive of 3.5 s
__all__ = ['bag', 'slam']  # fixtures


def walk() -> list[str]:
    """The command lines of the page in order, those of its last table left out: they are minutes of rendering."""
    blocks = re.findall(r'^```\n(.*?)^```', PAGE, re.DOTALL | re.MULTILINE)
    return [
        line for block in blocks for line in block.splitlines() if line.startswith('atvio ') and 'bags/' not in line
    ]


@pytest.fixture(scope='module')
def folder(bag, slam, tmp_path_factory) -> Path:
    """A folder to work in as the page has it."""
    out = tmp_path_factory.mktemp('walk')
    (out / 'drive').symlink_to(bag)
    (out / 'slam.tum').symlink_to(slam)
    (out / 'models').symlink_to(ROOT / 'models')
    (out / 'config').mkdir()
    recipe = yaml.safe_load((ROOT / 'config' / 'fine_tune.yaml').read_text())
    recipe['windows'] |= {'steps': 2, 'window': 4, 'batch_size': 2, 'validate_every': 1, 'warm_up_steps': 0}
    (out / 'config' / 'fine_tune.yaml').write_text(yaml.safe_dump(recipe))
    return out


def test_the_walk_ends_with_a_model_that_runs(folder, monkeypatch, capsys):
    if not (ROOT / 'models' / 'road.safetensors').is_file():
        pytest.skip('a build without models')
    monkeypatch.chdir(folder)
    lines = walk()
    assert [line.split()[1] for line in lines] == [
        'check', 'calibrate-rig', 'run', *['evaluate'] * 5, 'prepare', 'prepare', 'train', 'evaluate',
    ]  # fmt: skip
    said = {}
    for line in lines:
        words = [SHORTER.get(word, word) for word in shlex.split(line)[1:]]
        status = main(words)
        printed = capsys.readouterr()
        said[words[0]] = printed.out + printed.err
        if words[0] == 'calibrate-rig' and status:  # the drive is too short for it: then by hand, as the page has it
            assert 'Drive a hundred metres' in printed.err
            Path('rig.yaml').write_text(f'camera_height: {CAMERA_HEIGHT}\n')
            continue
        assert status == 0 or words[0] == 'check', f'{line}: {printed.err}'
    assert 'errors' in said['check']
    for name in ('before', 'gps', 'slam', 'tf', 'network', 'after'):
        figures = json.loads((folder / 'output' / name / 'result.json').read_text())
        assert figures['average']['length_m'] > 5.0, name
    assert sorted(path.name for path in (folder / 'data' / 'mine').iterdir()) == [
        'drive_from0_to1.4', 'validation_drive_from1.4_to2.3',
    ]  # fmt: skip
    for words in ('Begins as models/road.safetensors', 'as it began', 'NOTE: Trained on only', 'Next, on a drive'):
        assert words in said['train'], words
    assert (folder / 'runs' / 'mine' / 'curves.png').is_file()
    card = load_road(folder / 'runs' / 'mine' / 'road.safetensors')[1]
    assert card.parents[0].name == 'road'


def test_what_the_page_launches_has_these_arguments():
    text = (ROOT / 'launch' / 'atvio.launch.py').read_text()
    for line in re.findall(r'^ros2 launch atvio_ros atvio\.launch\.py (.*)$', PAGE, re.MULTILINE):
        for word in line.split():
            assert f"'{word.partition(':=')[0]}'" in text
    assert FRAMES == 36  # what SHORTER cuts
