"""The migrations form one line, numbered without a gap, and the program knows the last one."""

import re
from pathlib import Path

from fhirplan.store import migrations
from fhirplan.store.schema import HEAD

FOLDER = Path(migrations.__file__).parent / "versions"


def test_each_migration_follows_the_one_before():
    found = []
    for file in sorted(FOLDER.glob("[0-9]*.py")):
        text = file.read_text()
        before = re.search(r'^down_revision = (?:"(\d+)"|None)', text, re.MULTILINE)
        found.append((re.search(r'^revision = "(\d+)"', text, re.MULTILINE)[1], before[1] or "", file.name[:4]))
    numbers = [f"{number:04d}" for number in range(1, len(found) + 1)]
    assert found == list(zip(numbers, ["", *numbers], numbers, strict=False))
    assert numbers[-1] == HEAD
