"""What the package says about itself stands in one place; where it must stand in a second one, the two are equal."""

from __future__ import annotations

import ast
import re
import runpy
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import pytest
import setuptools
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import atvio_ros
from atvio_ros.evaluation import view_page

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # which pytest brings

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
PACKAGE_XML = ElementTree.parse(ROOT / 'package.xml').getroot()

# Where the name to install differs from the one to import.
DISTRIBUTIONS = {
    'PIL': 'pillow',
    'cv2': 'opencv-python-headless',
    'yaml': 'pyyaml',
    'backports': 'backports-zstd',
    'dask': 'distributed',  # which brings it in the version that fits
}
ROSDEP_KEYS = {
    'numpy': 'python3-numpy',
    'scipy': 'python3-scipy',
    'opencv-python-headless': 'python3-opencv',
    'pyyaml': 'python3-yaml',
    'matplotlib': 'python3-matplotlib',
    'pillow': 'python3-pil',
    'rich': 'python3-rich',
    'argcomplete': 'python3-argcomplete',
}
BUILT_IN = {'compression': 'of Python 3.14, in the place of backports.zstd'}
DECLARED_NOT_IMPORTED = {
    'tensorboard': "Lightning's TensorBoardLogger imports it",
    'rosbag2_storage_mcap': '`ros2 bag` on our bags; Humble has it not by itself',
    'rosidl_default_runtime': 'our own messages are imported through it',
    'lifecycle_msgs': 'the services of a managed node',
    'ros2launch': '`ros2 launch`',
    'rviz2': 'launch/atvio.launch.py rviz:=true',
}
ROS_PACKAGES = {'tf2_ros': 'tf2_ros_py'}  # where the ROS package is not named as the Python module in it
ROS = re.compile(r'(rclpy|message_filters|cv_bridge|tf2_ros|ament_index_python|launch\w*|\w+_(msgs|interfaces|srvs))')


def imported(*folders: str) -> set[str]:
    """Top-level names of other packages that the Python files in these folders import."""
    names = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition('.')[0])
    return names - set(sys.stdlib_module_names) - BUILT_IN.keys() - {'atvio_ros'}


def by_name(lines: Iterable[str]) -> dict[str, Requirement]:
    requirements = [Requirement(line) for line in lines if line and not line.startswith('#')]
    return {canonicalize_name(each.name): each for each in requirements}


REQUIREMENTS = by_name((ROOT / 'pypi_ros' / 'requirements.txt').read_text().splitlines())
DECLARED = by_name(chain(PROJECT['dependencies'], *PROJECT['optional-dependencies'].values()))
ROS_IMPORTS = {name for name in imported('atvio_ros', 'launch') if ROS.fullmatch(name)}
PYTHON_IMPORTS = {DISTRIBUTIONS.get(name, name) for name in imported('atvio_ros') - ROS_IMPORTS}
TEST_IMPORTS = imported('test')
XML_DEPENDS = {element.text for element in PACKAGE_XML if element.tag in ('depend', 'exec_depend')}


def test_the_version_is_the_same_everywhere():
    changelog = (ROOT / 'CHANGELOG.md').read_text()
    newest, date = re.search(r'^## \[(\d[^\]]*)\] - (\S+)$', changelog, re.MULTILINE).groups()
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert PROJECT['dynamic'] == ['version']
    assert PACKAGE_XML.findtext('version') == atvio_ros.__version__
    assert citation['version'] == atvio_ros.__version__
    assert newest == atvio_ros.__version__
    assert str(citation['date-released']) == date


def test_name_description_and_licence_are_the_same_for_pip_and_ros():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert PACKAGE_XML.findtext('name') == PROJECT['name']
    assert PACKAGE_XML.findtext('description') == PROJECT['description']
    licences = [element.text for element in PACKAGE_XML.iter('license')]
    assert licences == PROJECT['license'].split(' AND ') == ['Apache-2.0', 'CC-BY-NC-SA-3.0', 'MIT']
    assert citation['license'] == licences[0]  # of the software; the second is that of the weights


def test_each_licence_has_its_file_and_that_of_the_models_says_what_it_is_for():
    files = [ROOT / element.get('file') for element in PACKAGE_XML.iter('license')]
    assert [str(file.relative_to(ROOT)) for file in files] == PROJECT['license-files']
    assert 'CC-BY-NC-SA-3.0' in files[1].read_text()
    assert '*.safetensors' in files[1].read_text()
    assert 'uPlot' in files[2].name
    assert 'Permission is hereby granted' in files[2].read_text()


def test_pip_installs_what_the_page_is_made_of():
    (pattern,) = tomllib.loads((ROOT / 'pyproject.toml').read_text())['tool']['setuptools']['package-data'][
        'atvio_ros.evaluation'
    ]
    folder = ROOT / 'atvio_ros' / 'evaluation'
    installed = set(folder.glob(pattern))
    used = {view_page.ASSETS / name for name in (*view_page.SCRIPTS, 'view.html', 'index.html', 'page.css')}
    assert used <= installed == {path for path in (folder / 'page').rglob('*') if path.is_file()}


def test_pip_is_asked_for_what_is_imported_and_for_nothing_else():
    assert {'numpy', 'torch', 'rosbags', 'opencv-python-headless'} <= PYTHON_IMPORTS  # the sources were found
    assert PYTHON_IMPORTS - DECLARED.keys() == set()
    assert DECLARED.keys() - PYTHON_IMPORTS - DECLARED_NOT_IMPORTED.keys() == set()


def test_a_bare_machine_gets_what_pip_is_asked_for():
    ros_and_its_build = {name for name in REQUIREMENTS if name.startswith('ros-')} | {'catkin-pkg', 'setuptools'}
    assert REQUIREMENTS.keys() - ros_and_its_build == DECLARED.keys()
    for name, declared in DECLARED.items():
        there = REQUIREMENTS[name]
        if name == 'torch':  # one version, for its CUDA libraries follow it
            (pin,) = there.specifier
            assert declared.specifier.contains(pin.version)
        else:
            assert (there.specifier, there.marker) == (declared.specifier, declared.marker), name


def test_package_xml_names_what_is_imported_and_nothing_else():
    assert {'rclpy', 'sensor_msgs', 'launch_ros'} <= ROS_IMPORTS
    interfaces = [path for kind in ('msg', 'srv') for path in (ROOT / kind).iterdir()]
    in_interfaces = {m for path in interfaces for m in re.findall(r'^(\w+)/\w+ \w+', path.read_text(), re.MULTILINE)}
    assert 'std_msgs' in in_interfaces
    ros = {ROS_PACKAGES.get(name, name) for name in ROS_IMPORTS}
    wanted = ros | in_interfaces | {ROSDEP_KEYS[name] for name in PYTHON_IMPORTS & ROSDEP_KEYS.keys()}
    assert wanted - XML_DEPENDS == set()
    assert XML_DEPENDS - wanted - DECLARED_NOT_IMPORTED.keys() == set()


def test_package_xml_names_what_tests_import():
    # Modules of the tests themselves, and what is skipped where it is missing.
    ours = {path.stem for path in (ROOT / 'test').iterdir()} | {'samples', 'benchmarks', 'evo', 'playwright'}
    testing = {element.text for element in PACKAGE_XML.iter('test_depend')}
    of_package = {DISTRIBUTIONS.get(name, name) for name in TEST_IMPORTS} - DECLARED.keys() - ours
    left = {
        f'python3-{name}' if name in ('pytest', 'hypothesis') else ROS_PACKAGES.get(name, name) for name in of_package
    }
    build_tools = {'setuptools', 'packaging', 'tomli', 'tomllib'}  # pytest, colcon or Python bring them
    assert left - testing - XML_DEPENDS - build_tools == set()
    assert {'python3-pytest', 'python3-hypothesis', 'launch_testing'} <= left


def test_what_is_imported_of_rclpy_is_in_humble_or_has_another_way_there():
    humble = re.findall(
        r'\w+',
        'action callback_groups client clock constants context duration exceptions executors expand_topic_name '
        'guard_condition impl lifecycle logging node parameter parameter_service publisher qos qos_event '
        'qos_overriding_options serialization service signals subscription task time time_source timer '
        'topic_endpoint_info type_support utilities waitable',
    )
    newer = []
    for path in (ROOT / 'atvio_ros').rglob('*.py'):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        tried = {id(node) for each in ast.walk(tree) if isinstance(each, ast.Try) for node in ast.walk(each)}
        for node in ast.walk(tree):
            parts = (getattr(node, 'module', None) or '').split('.') if isinstance(node, ast.ImportFrom) else []
            if parts[:1] == ['rclpy'] and parts[1:] and parts[1] not in humble and id(node) not in tried:
                newer.append(f'{path.relative_to(ROOT)}: {node.module}')
    assert newer == []


def test_package_xml_says_what_comes_from_pip():
    comment = re.search(r'<!-- Not in rosdep(.*?)-->', (ROOT / 'package.xml').read_text(), re.DOTALL).group(1)
    from_pip = {canonicalize_name(word.strip('.,:')) for word in comment.split()}
    assert DECLARED.keys() - ROSDEP_KEYS.keys() - from_pip == set()


def test_a_bare_machine_gets_the_ros_packages_that_are_imported():
    pinned = by_name((ROOT / 'pypi_ros' / 'constraints.txt').read_text().splitlines())
    stand_ins = {path.name for path in (ROOT / 'pypi_ros').iterdir() if path.is_dir()}
    from_pypi = {name for name in ROS_IMPORTS if canonicalize_name(f'ros-{name}') in pinned}
    assert ROS_IMPORTS - from_pypi - stand_ins == {'launch', 'launch_ros'}  # PyPI has none: launch files need ROS


def test_exceptions_are_still_needed():
    assert DECLARED_NOT_IMPORTED.keys() <= XML_DEPENDS | DECLARED.keys()
    assert not DECLARED_NOT_IMPORTED.keys() & (ROS_IMPORTS | PYTHON_IMPORTS)


def test_rosbags_here_is_a_version_that_is_declared_and_named_in_the_message():
    specifier = DECLARED['rosbags'].specifier
    assert specifier.contains(version('rosbags'))
    limits = (ROOT / 'atvio_ros' / 'bags' / 'limits.py').read_text()
    assert re.search(r'"rosbags(>=[^"]*)"', limits).group(1) == '>=0.11,<0.12'
    assert str(specifier) in ('>=0.11,<0.12', '<0.12,>=0.11')


def test_setup_py_holds_only_what_needs_code():
    calls = [node for node in ast.walk(ast.parse((ROOT / 'setup.py').read_text())) if isinstance(node, ast.Call)]
    (call,) = [call for call in calls if ast.unparse(call.func) == 'setup']
    assert [keyword.arg for keyword in call.keywords] == ['data_files']


def test_pip_installs_every_file_of_config_and_models_and_what_ament_looks_for(monkeypatch):
    given = {}
    monkeypatch.setattr(setuptools, 'setup', lambda **options: given.update(options))
    monkeypatch.chdir(ROOT)
    runpy.run_path('setup.py')
    installed = {f'{folder}/{Path(file).name}' for folder, files in given['data_files'] for file in files}
    shipped = [path for folder in ('config', 'models') for path in (ROOT / folder).rglob('*') if path.is_file()]
    assert len(shipped) > 5
    assert installed == {f'share/atvio_ros/{path.relative_to(ROOT)}' for path in shipped} | {
        'share/atvio_ros/package.xml',
        'share/ament_index/resource_index/packages/atvio_ros',
    }


def test_the_lower_bounds_of_apts_libraries_are_the_versions_that_make_test_oldest_runs_on():
    oldest = by_name((ROOT / 'pypi_ros' / 'oldest.txt').read_text().splitlines())
    assert ROSDEP_KEYS.keys() - {'pyyaml'} <= oldest.keys()
    for name in ROSDEP_KEYS.keys() & oldest.keys():
        (pin,) = oldest[name].specifier
        (bound,) = DECLARED[name].specifier
        assert bound.operator == '>='
        assert pin.version.startswith(bound.version) or name == 'pyyaml', name


def test_the_changelog_that_ros_reads_has_the_released_versions_of_the_one_that_people_read():
    changelog = pytest.importorskip('catkin_pkg.changelog', reason='catkin_pkg comes with ROS, or with `make setup`')
    script = runpy.run_path(str(ROOT / 'scripts' / 'changelog_rst.py'))
    markdown = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    assert (ROOT / 'CHANGELOG.rst').read_text(encoding='utf-8') == script['as_rst'](markdown), 'run the script'
    read = changelog.get_changelog_from_path(str(ROOT / 'CHANGELOG.rst'), 'atvio_ros')
    released = re.findall(r'^## \[(\d[^\]]*)\]', markdown, re.MULTILINE)
    assert [version for version, _, _ in read.foreach_version(reverse=True)] == released
