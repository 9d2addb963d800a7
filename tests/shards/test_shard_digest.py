"""Digests: known answers, and the changes they detect or ignore."""

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from precondbench.errors import DigestError
from precondbench.shards import Record, facts_digest, record_digest, split_digest

EXAMPLE = Record(
    "one", "demo", [0, 1], [0], [4.0], {"exact": [2.0], "ic0": None}, {"iterations": 1}
)
EXAMPLE_DIGEST = "15ba7177c50dd28e9069abf12b5fe6c41bb406a8bc69e80c4fb255e721a6a24c"
EXAMPLE_SPLIT = "86900747916d232d52f20c970b1c9fadad97c0aebcd991fff518f48c25b4f3cd"
SPECIFICATION = Path(__file__).parents[2] / "docs" / "format.md"


def changed(**changes):
    fields = {
        "name": "m",
        "group": "g",
        "indptr": [0, 1, 3],
        "indices": [0, 0, 1],
        "a": [4.0, 0.0, 5.0],
        "labels": {"b": [2.0, 1.0, 2.0], "a": None},
        "facts": {},
    }
    return Record(**(fields | changes))


def by_hand(record):
    """The definition of docs/format.md, with struct instead of NumPy."""
    fields = [
        b"precondbench-record-1",
        record.name.encode(),
        struct.pack("<q", record.n),
        struct.pack(f"<{record.n + 1}q", *record.indptr.tolist()),
        struct.pack(f"<{record.nnz}i", *record.indices.tolist()),
        struct.pack(f"<{record.nnz}d", *record.a.tolist()),
    ]
    for label in sorted(record.labels):
        values = record.labels[label]
        fields.append(label.encode())
        fields.append(b"" if values is None else struct.pack(f"<{record.nnz}d", *values.tolist()))
    return hashlib.sha256(b"".join(struct.pack("<Q", len(f)) + f for f in fields)).hexdigest()


def test_known_answers():
    assert record_digest(EXAMPLE) == EXAMPLE_DIGEST
    assert split_digest([EXAMPLE_DIGEST]) == EXAMPLE_SPLIT


def test_the_specification_shows_the_known_answers():
    text = SPECIFICATION.read_text(encoding="utf-8")
    assert EXAMPLE_DIGEST in text
    assert EXAMPLE_SPLIT in text
    example = text.split("### A worked example")[1].split("```")[1]
    assert hashlib.sha256(bytes.fromhex(example)).hexdigest() == EXAMPLE_DIGEST


@pytest.mark.parametrize(
    "record", [EXAMPLE, changed(), changed(name="Müller 中"), changed(labels={})]
)
def test_it_is_the_documented_definition(record):
    assert record_digest(record) == by_hand(record)


def test_split_digest_is_the_documented_definition():
    digests = [record_digest(EXAMPLE), record_digest(changed())]
    data = struct.pack("<Q", 20) + b"precondbench-split-1" + bytes.fromhex("".join(digests))
    assert split_digest(digests) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "M"},
        {"indptr": [0, 1, 2], "indices": [0, 1], "a": [4.0, 5.0], "labels": {}},
        {"a": [4.0, -0.0, 5.0]},
        {"a": [np.nextafter(4.0, 5.0), 0.0, 5.0]},
        {"labels": {"b": [2.0, 1.0, 2.0]}},
        {"labels": {"c": [2.0, 1.0, 2.0], "a": None}},
        {"labels": {"b": None, "a": [2.0, 1.0, 2.0]}},
        {"labels": {"b": [2.0, 1.0, np.nextafter(2.0, 3.0)], "a": None}},
    ],
)
def test_it_sees_every_part_of_the_content_to_the_bit(changes):
    assert record_digest(changed(**changes)) != record_digest(changed())


@pytest.mark.parametrize(
    "changes",
    [
        {"group": "other"},
        {"facts": {"iterations": 12}},
        {"labels": {"a": None, "b": [2.0, 1.0, 2.0]}},
        {"indptr": np.array([0, 1, 3], np.int32), "indices": np.array([0, 0, 1], np.int64)},
        {"a": np.array([4.0, 0.0, 5.0], ">f8")},
        {"a": np.array([4.0, 9.0, 0.0, 9.0, 5.0])[::2]},
    ],
)
def test_it_does_not_see_group_facts_order_of_labels_and_memory_layout(changes):
    assert record_digest(changed(**changes)) == record_digest(changed())


def test_split_digest_depends_on_order_and_count():
    one, two = record_digest(EXAMPLE), record_digest(changed())
    assert len({split_digest(d) for d in ([], [one], [two], [one, two], [two, one])}) == 5


@pytest.mark.parametrize("bad", ["", "0" * 63, "G" * 64, "A" * 64, "0" * 64 + "\n", None])
def test_only_digests_make_a_split_digest(bad):
    with pytest.raises(DigestError, match="digest of record 1 is"):
        split_digest(["0" * 64, bad])


def test_facts_digest_is_the_documented_one():
    text = '[{"a":1,"winner":"ti\u00e9"},{"a":-1,"winner":"x"}]'
    facts = [{"winner": "ti\u00e9", "a": 1, "k": 0.5}, {"a": -1, "winner": "x", "k": 0.25}]
    assert facts_digest(facts) == hashlib.sha256(text.encode("utf-8")).hexdigest()
    assert facts_digest(facts) != facts_digest(facts[::-1])
    facts[1]["winner"] = "y"
    assert facts_digest(facts) != hashlib.sha256(text.encode("utf-8")).hexdigest()
