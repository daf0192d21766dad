"""The direction of imports, so that what is below can be used, tested and understood without what is above."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import atvio_ros

PACKAGE = Path(atvio_ros.__file__).parent
BASE = {
    'cdr',
    'cdr_writing',
    'errors',
    'files',
    'fleet',
    'fleet_workers',
    'missing',
    'geodesy',
    'geometry',
    'image_decoding',
    'image_size',
    'jpeg_png',
    'message_decoding',
    'median',
    'messages',
    'motion_noise',
    'moving_frames',
    'resources',
    'settings',
    'timeline',
    'trajectory_files',
    'transform_tree',
    'types',
    'words',
}

# part -> the parts it may import besides itself; nothing imports what is further down this list.
MAY_IMPORT = {
    'base': set(),
    'rig': {'base'},
    'view': {'base', 'rig'},
    'preprocessing': {'base'},
    'bags': {'base'},
    'network': {'base', 'preprocessing'},
    'calibration': {'base', 'rig'},
    'road': {'base', 'view', 'preprocessing'},
    'odometry': {'base', 'rig', 'view', 'preprocessing', 'road', 'network'},
    'drives': {'base', 'rig', 'view', 'preprocessing', 'bags'},
    'rendering': {'base', 'rig', 'drives'},
    'evaluation': {'base', 'rig', 'view', 'preprocessing', 'bags', 'calibration', 'drives', 'odometry'},
    'training': {
        'base',
        'rig',
        'view',
        'preprocessing',
        'calibration',
        'road',
        'drives',
        'network',
        'odometry',
        'evaluation',
    },
    'ros': {'base', 'rig', 'bags', 'odometry'},
    'cli': {
        'base',
        'rig',
        'view',
        'preprocessing',
        'bags',
        'network',
        'calibration',
        'odometry',
        'drives',
        'rendering',
        'evaluation',
        'training',
        'ros',
    },
}
ROS = re.compile(
    r'(rclpy|message_filters|cv_bridge|tf2_ros\w*|\w+_msgs|\w+_interfaces|rosgraph_msgs|std_srvs|ament_\w+|launch\w*)$'
)
HEAVY = {
    'torch',
    'lightning',
    'rosbags',
    'cv2',
    'scipy',
    'matplotlib',
    'moderngl',
    'safetensors',
    'rich',
    'numpy',
    'distributed',
}


@dataclass(frozen=True)
class Import:
    """One import statement of one module of ours."""

    importer: str  # 'odometry.engine'
    module: str  # 'atvio_ros.geometry', 'rclpy.node'
    inside_function: bool

    @property
    def part(self) -> str:
        return part_of(self.importer)

    @property
    def target(self) -> str | None:
        """The part of ours that is imported; None for other packages."""
        return part_of(self.module.removeprefix('atvio_ros').lstrip('.')) if self.top == 'atvio_ros' else None

    @property
    def top(self) -> str:
        return self.module.partition('.')[0]

    def __str__(self) -> str:
        return f'atvio_ros.{self.importer} imports {self.module}'


def part_of(module: str) -> str:
    head = module.partition('.')[0]
    if head in BASE or head in ('', '__version__'):
        return 'base'
    return 'ros' if head in ('msg', 'srv') else head  # these two are made by rosidl


def imports() -> Iterator[Import]:
    for path in sorted(PACKAGE.rglob('*.py')):
        importer = '.'.join(path.relative_to(PACKAGE).with_suffix('').parts).removesuffix('__init__').rstrip('.')
        yield from walk(ast.parse(path.read_text(encoding='utf-8')), importer, inside_function=False)


def walk(node: ast.AST, importer: str, inside_function: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == 'TYPE_CHECKING':
            continue  # for type checkers only
        if isinstance(child, ast.Import):
            yield from (Import(importer, alias.name, inside_function) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f'{importer} has a relative import'
            names = [f'{child.module}.{alias.name}' for alias in child.names]
            whole = child.module == 'atvio_ros'  # from atvio_ros import messages
            yield from (Import(importer, name, inside_function) for name in (names if whole else [child.module or '']))
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from walk(child, importer, inside_function or function)


IMPORTS = list(imports())


def offenders(wrong) -> list[str]:
    return [str(each) for each in IMPORTS if wrong(each)]


def test_every_file_of_the_package_belongs_to_a_known_part():
    assert {each.part for each in IMPORTS} <= set(MAY_IMPORT)
    assert len(IMPORTS) > 200  # the sources were found


def test_imports_go_down_only():
    """base -> preprocessing -> data, network -> odometry -> evaluation, training -> cli; ros beside evaluation.

    Training may cut its windows with the pairing of the odometry and measure itself with the metrics of the evaluation.
    """
    allowed = {part: below | {part} for part, below in MAY_IMPORT.items()}
    assert offenders(lambda each: each.target is not None and each.target not in allowed[each.part]) == []


def test_training_takes_the_cutting_of_windows_and_the_figures_and_nothing_else_from_above():
    """training.ablation alone trains and then evaluates bags, as a user would; nothing else of training imports it.

    The network road learns from what the odometry makes of a drive before the network: views, direction, curves.
    """
    shared = {'odometry': ('frame_pairs', 'imu_buffer'), 'evaluation': ('metrics', 'alignment')}
    before_the_network = (
        'pipeline', 'sight', 'travel', 'road_front', 'road_torch', 'older_images', 'road_estimator'
    )  # fmt: skip

    def reaches_up(each: Import) -> bool:
        name = each.module.rpartition('.')[2]
        if each.importer.startswith('training.road_') and each.target == 'odometry' and name in before_the_network:
            return False
        return each.part == 'training' and each.target in shared and name not in shared[each.target]

    assert offenders(lambda each: reaches_up(each) and each.importer != 'training.ablation') == []
    assert offenders(lambda each: each.part != 'cli' and each.module == 'atvio_ros.training.ablation') == []


def test_only_the_ros_folder_knows_ros():
    """... but for `atvio replay` and `check --live`, which import that folder when they run, and need no ROS before."""
    assert offenders(lambda each: each.part != 'ros' and ROS.match(each.top)) == []
    into_ros = [each for each in IMPORTS if each.target == 'ros' and each.part != 'ros']
    assert {each.importer for each in into_ros} <= {'cli.replay', 'cli.check'}
    assert all(each.inside_function for each in into_ros)


def test_ros_reaches_the_network_through_the_odometry_only():
    assert offenders(lambda each: each.part == 'ros' and each.top in ('torch', 'rosbags', 'safetensors')) == []


def test_the_base_is_light():
    """Values, geometry, settings and the road need numpy, scipy and OpenCV, not a framework or a bag library."""
    unwanted = {'torch', 'lightning', 'rosbags', 'matplotlib', 'rich', 'moderngl', 'safetensors'}
    light = ('base', 'rig', 'view', 'preprocessing', 'road')
    assert offenders(lambda each: each.part in light and each.top in unwanted) == []


def test_pairing_and_engine_know_no_network():
    """The engine reaches the network through one method, so a test gives it a fake and training uses the pairing."""
    names = 'imu_buffer ledger frame_pairs pair_queue start engine standstill input_checks uncertainty monitor'
    free = {f'odometry.{name}' for name in names.split()}
    assert offenders(lambda e: e.importer in free and (e.top == 'torch' or e.target == 'network')) == []


def test_the_network_knows_no_bags_and_drives_know_no_torch():
    assert offenders(lambda each: each.part == 'network' and each.top == 'rosbags') == []
    assert (
        offenders(
            lambda each: (
                each.part in ('bags', 'drives', 'rendering', 'calibration') and each.top in ('torch', 'lightning')
            )
        )
        == []
    )


def test_a_command_imports_what_is_heavy_when_it_runs():
    def heavy(each: Import) -> bool:
        ours = each.target is not None and each.target not in ('base', 'cli')
        return each.part == 'cli' and not each.inside_function and (each.top in HEAVY or ours)

    assert offenders(heavy) == []


@pytest.mark.parametrize('words', [['--help'], ['--version'], ['run', '--help'], ['metrics', '--help']])
def test_help_answers_without_loading_torch_or_a_bag_library(words):
    code = (
        'import sys; from atvio_ros.cli.main import main\n'
        f'try: main({words!r})\nexcept SystemExit as end: assert not end.code\n'
        'print("LOADED", *(name for name in sys.modules if "." not in name))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    help_text, _, loaded = done.stdout.rpartition('LOADED')
    assert help_text.strip()
    assert not HEAVY & set(loaded.split())
