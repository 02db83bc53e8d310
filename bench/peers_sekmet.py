"""Fills sekmet's store with resources from a file of one a line; run by the Python of sekmet's own environment."""

import json
import sys
from pathlib import Path

from sekmet.fhir.store import Store


def main() -> None:
    """Writes them in one transaction, as fast as its store can."""
    store = Store(sys.argv[1])
    with store.transaction(), Path(sys.argv[2]).open() as file:
        for line in file:
            store.create(json.loads(line), keep_id=True)


if __name__ == "__main__":
    main()
