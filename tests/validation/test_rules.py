"""Every rule has a key that the reference explains."""

import re
from pathlib import Path

from fhirplan import validation
from fhirplan.validation.rules import STRUCTURAL

ROOM = Path(validation.__file__).parent
KEYS = re.compile(r'"(cm-[a-z]+)"')


def test_each_structural_key_that_a_finding_carries_is_explained_and_each_explained_one_is_carried():
    carried = {
        key for file in ROOM.glob("*.py") if file.name != "rules.py" for key in KEYS.findall(file.read_text("utf-8"))
    }
    assert carried == STRUCTURAL.keys()
