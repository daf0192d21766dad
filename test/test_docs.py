"""The documentation: tables are what the declarations say, links lead somewhere, and the text can be skimmed."""

import functools
import importlib.util
import re
import subprocess
import sys
from dataclasses import dataclass, make_dataclass
from pathlib import Path

import pytest

from atvio_ros.odometry.ledger import Reason
from atvio_ros.settings import setting

ROOT = Path(__file__).resolve().parent.parent
LONGEST_LINE = 160
LONGEST_PARAGRAPH = 6  # lines


def load_tool():
    spec = importlib.util.spec_from_file_location('update_docs', ROOT / 'scripts' / 'update_docs.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules['update_docs'] = module  # dataclasses look their module up
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


tool = load_tool()


def markdown_files() -> list[Path]:
    try:
        listed = subprocess.run(
            ['git', 'ls-files', '-co', '--exclude-standard', '*.md'],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):  # not a clone: an unpacked archive
        listed = [str(page.relative_to(ROOT)) for page in (*ROOT.glob('*.md'), *tool.pages())]
    return sorted(path for name in set(listed) if (path := ROOT / name).exists())


PAGES = markdown_files()
every_page = pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))


# ---- tables


def in_use() -> list[tuple[Path, str]]:
    return [(page, found[2]) for page in tool.pages() for found in tool.MARKED.finditer(page.read_text('utf-8'))]


def test_every_table_has_its_place_and_every_place_a_table():
    assert sorted(name for _, name in in_use()) == sorted(tool.TABLES)
    for page in tool.pages():
        text = page.read_text(encoding='utf-8')
        marks = re.findall(r'^<!-- [\w-]+: (?:begin|end) -->$', text, re.MULTILINE)
        assert len(marks) == 2 * len(tool.MARKED.findall(text)), page.name


@pytest.mark.parametrize(('page', 'name'), in_use(), ids=lambda each: each if isinstance(each, str) else each.stem)
def test_tables_are_what_the_declarations_say(page, name):
    if name == 'node-parameters':
        pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')
    found = next(found for found in tool.MARKED.finditer(page.read_text('utf-8')) if found[2] == name)
    if found[3] != tool.TABLES[name]() + '\n':
        pytest.fail(f'{page.relative_to(ROOT)}, {name}: run scripts/update_docs.py', pytrace=False)


def test_groups_and_lists_of_groups_are_listed_by_name():
    stage = make_dataclass('Stage', [('epochs', int, setting(1, 'Epochs.', minimum=0))], frozen=True)
    run = make_dataclass(
        'Run',
        [
            ('kind', str, setting('a', 'Which.', choices=('a', 'b'))),
            ('loss', stage, stage(3)),
            ('stages', tuple[stage, ...], ()),
        ],
        frozen=True,
    )
    listed = [(row.name, row.default, row.allowed, row.meaning) for row in tool.rows(run)]
    assert listed == [
        ('kind', 'a', 'a, b', 'Which.'),
        ('loss.epochs', '3', '≥ 0', 'Epochs.'),
        ('stages[].epochs', '1', '≥ 0', 'Epochs.'),
    ]


def test_every_reason_for_a_drop_is_in_the_manual_of_the_node():
    manual = (ROOT / 'docs' / 'ros.md').read_text(encoding='utf-8')
    assert [reason.value for reason in Reason if f'`{reason.value}`' not in manual] == []


# ---- links


LINK = re.compile(r'\[[^\]]*\]\(([^)\s]+)\)')


@functools.cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = [line.lstrip('#').strip() for line in prose_lines(page) if line.startswith('#')]
    return {
        re.sub(r'[^\w\- ]', '', re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', t)).lower().replace(' ', '-') for t in titles
    }


@every_page
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for target in LINK.findall('\n'.join(prose_lines(page))):
        if re.match(r'[a-z]+:', target):
            continue
        file, _, anchor = target.partition('#')
        aim = (page.parent / file).resolve() if file else page
        if not aim.exists() or (anchor and aim.suffix == '.md' and anchor not in anchors(aim)):
            broken.append(target)
    assert broken == []


# ---- text


def prose_lines(page: Path) -> list[str]:
    """The lines of a page; those of code blocks are empty."""
    lines, code = [], False
    for line in page.read_text(encoding='utf-8').splitlines():
        fence = line.lstrip().startswith('```')
        lines.append('' if code or fence else line)
        code ^= fence
    return lines


@dataclass
class Paragraph:
    first: int  # line number
    lines: int


def paragraphs(page: Path) -> list[Paragraph]:
    """Runs of lines of text. Each item of a list is one; headings, tables, comments and code are none."""
    found: list[Paragraph] = []
    inside = False
    for number, line in enumerate(prose_lines(page), start=1):
        text = line.strip()
        if not text or text.startswith(('#', '|', '<!--')):
            inside = False
        elif inside and not re.match(r'([-*+]|\d+\.) ', text):
            found[-1].lines += 1
        else:
            found.append(Paragraph(number, 1))
            inside = True
    return found


@every_page
def test_no_line_of_text_is_long(page):
    long = [
        f'line {number} has {len(line)} characters'
        for number, line in enumerate(prose_lines(page), start=1)
        if len(line) > LONGEST_LINE and not line.lstrip().startswith('|')
    ]
    assert long == []


@every_page
def test_no_paragraph_is_long(page):
    long = [f'{each.lines} lines from line {each.first}' for each in paragraphs(page) if each.lines > LONGEST_PARAGRAPH]
    assert long == []
