import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"\| `((?:search|analysis)/[a-z/]*)` \| (.+?) \| .+ \|")
"""Of the table of rooms: folder, modules."""


def rooms_of_the_table() -> dict[str, list[str]]:
    """Folder to the modules that ARCHITECTURE.md names, in backticks at the start of an item."""
    rows = (ROW.fullmatch(line) for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines())
    found = [(row[1], [item.split("`")[1] for item in row[2].split("; ")]) for row in rows if row]
    assert len(dict(found)) == len(found), "a room stands twice in the table"
    return dict(found)


def rooms_of_the_tree() -> dict[str, list[str]]:
    """Folder to its modules but `__init__`."""
    folders = (path.parent for top in ("search", "analysis") for path in (ROOT / top).rglob("*.py"))
    return {
        f"{folder.relative_to(ROOT).as_posix()}/": [
            path.stem for path in folder.glob("*.py") if path.stem != "__init__"
        ]
        for folder in set(folders)
    }


def test_the_table_has_every_room():
    assert sorted(rooms_of_the_table()) == sorted(rooms_of_the_tree())


@pytest.mark.parametrize("room", sorted(rooms_of_the_tree()))
def test_the_table_has_every_module_of_a_room_once(room):
    assert sorted(rooms_of_the_table().get(room, [])) == sorted(rooms_of_the_tree()[room])


@pytest.mark.parametrize("room", sorted(rooms_of_the_tree()))
def test_every_room_says_what_it_knows(room):
    assert (ROOT / room / "__init__.py").read_text().startswith('"""')
