"""The commands of `atvio`, in groups, in the order in which people meet them.

The module of a command is atvio_ros.cli.<name with underscores>. It has EXAMPLES (command lines for its help),
add_arguments(parser) and run(arguments). CONTRIBUTING.md says how to add one; test/test_cli_rules.py holds the rules.
"""

from __future__ import annotations

import shutil
import textwrap

GROUPS = {
    'A drive to try': {
        'synthesize': 'render a drive with ground truth as a rosbag2',
        'export-kitti': 'write a KITTI drive, or loose images and IMU files, as a rosbag2',
        'import-euroc': 'write a folder of EuRoC, TUM-VI or another set in the ASL format as a rosbag2',
    },
    'Your robot': {
        'check': 'check a bag or a running robot: rates, gaps, IMU, calibration, road in view; what to do about each',
        'calibrate-rig': 'measure a robot by a drive: gyro lag, IMU mounting, bias, direction of travel, camera height',
        'calibrate-time-offset': 'measure how far the gyro of a bag lags its images',
    },
    'Odometry': {
        'run': 'compute the odometry of a bag offline',
        'replay': 'play a bag to the real node over DDS and record its odometry',
        'view': 'make a page to look at: images, trajectory, speed, state and errors over time',
    },
    'How good it is': {
        'evaluate': "run the odometry over bags and tabulate KITTI's figures",
        'metrics': "compare two trajectory files with KITTI's t_rel and r_rel",
    },
    'Training': {
        'prepare': 'turn bags into training data',
        'train': 'train a network on prepared data',
        'calibrate-covariance': 'fit the error model of a model file to drives with ground truth',
        'synthesize-set': "render a whole training set: KITTI's motion and procedural drives through many worlds",
        'ablation': "train and evaluate the networks of the paper's Table 2",
    },
    'Networks': {
        'export-onnx': 'write a network as ONNX, compared with PyTorch over a whole drive',
        'describe': 'show the layers, parameters and MACs of a network',
        'benchmark': 'measure speed, latency and memory of networks side by side',
    },
}
COMMANDS = {name: summary for group in GROUPS.values() for name, summary in group.items()}
COLUMN = 25  # where the summaries begin


def width() -> int:
    """Of the help: that of the terminal, as argparse has it."""
    return max(40, shutil.get_terminal_size().columns - 2)


def overview() -> str:
    """The groups with their commands and summaries, as wide as the terminal."""
    wrapper = textwrap.TextWrapper(width=width(), subsequent_indent=' ' * COLUMN, break_on_hyphens=False)
    lines = []
    for title, commands in GROUPS.items():
        lines += [f'{title}:']
        lines += [wrapper.fill(f'  {name}'.ljust(COLUMN) + summary) for name, summary in commands.items()]
        lines += ['']
    return '\n'.join([*lines, '`atvio COMMAND --help` has the options of a command, with examples.'])
