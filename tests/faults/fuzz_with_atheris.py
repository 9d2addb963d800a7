"""Readers under coverage-guided fuzzing, for whoever has an hour; the suite does not need it.

    pip install atheris
    python tests/faults/fuzz_with_atheris.py matrix-market -max_total_time=600
    python tests/faults/fuzz_with_atheris.py --list

A reader may return, or raise an error of the library. Anything else is a find: atheris stops and
writes the input to a file ``crash-...``.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["precondbench.matrices", "precondbench._internal.strict_json"]
):
    from precondbench.errors import PrecondbenchError
    from precondbench.matrices import CollectionEntry, read_matrix
    from precondbench.matrices.files import read_matrix_market
    from precondbench.matrices.suitesparse.collection import _parse_index, _read_archive
    from precondbench.shards import load_manifest

FOLDER = Path(tempfile.mkdtemp())
ENTRY = CollectionEntry(1, "G", "m", 2, 2, 4, True, True, "")


def written(name: str, data: bytes) -> Path:
    """Put the input into a file."""
    path = FOLDER / name
    path.write_bytes(data)
    return path


READERS = {
    "matrix-market": lambda data: read_matrix_market(
        io.BytesIO(b"%%MatrixMarket matrix coordinate real symmetric\n" + data), "A"
    ),
    "matrix-market-header": lambda data: read_matrix_market(io.BytesIO(data), "A"),
    "matrix-market-gzip": lambda data: read_matrix(written("A.mtx.gz", data)),
    "npz": lambda data: read_matrix(written("A.npz", data)),
    "index": lambda data: _parse_index(written("ssstats.csv", data)),
    "archive": lambda data: _read_archive(written("m.tar.gz", data), ENTRY),
    "manifest": lambda data: load_manifest(written("data_manifest.json", data)),
}


def main() -> None:
    """Fuzz the reader that the first argument names."""
    if len(sys.argv) < 2 or sys.argv[1] not in READERS:
        sys.exit("name one of: " + ", ".join(READERS))
    read = READERS[sys.argv.pop(1)]

    def one(data: bytes) -> None:
        try:
            read(data)
        except PrecondbenchError:
            return

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
