"""BibTeX that BibTeX can read, with the titles and names of the collection."""

import csv
import re
import tarfile
from importlib import resources
from pathlib import Path

import pytest

from precondbench.errors import ConfigurationError, ManifestError
from precondbench.recipes import cite
from precondbench.recipes.publishing.citations import attributions, source_names
from precondbench.shards import Manifest, load_manifest


def parse(text):
    """Entries of well-formed BibTeX as ``{key: (kind, {field: value})}``; braces must balance."""
    entries = {}
    for block in re.split(r"\n\n(?=@)", text.strip()):
        head = re.match(r"@(\w+)\{([^,\s{}]+),\n", block)
        assert head, block
        assert block.endswith("\n}")
        fields = {}
        for line in block.splitlines()[1:-1]:
            field = re.fullmatch(r"  (\w+) = \{(.*)\},", line)
            assert field, line
            name, value = field.groups()
            depth = 0
            for before, sign in zip(" " + value, value, strict=False):
                if before != "\\":
                    depth += (sign == "{") - (sign == "}")
                    assert depth >= 0, line
                    assert sign not in "&%$#_" or name in {"url", "doi"}, line
            assert depth == 0, line
            assert name not in fields
            fields[name] = value
        assert head[2] not in entries
        entries[head[2]] = (head[1], fields)
    return entries


def test_all():
    manifest = load_manifest()
    entries = parse(cite(manifest))
    kinds = [kind for kind, _ in entries.values()]
    versions = [(name, version) for name, found in manifest.datasets.items() for version in found]
    assert kinds.count("software") == len(versions)
    assert kinds.count("article") == 3
    names = {name for pair in versions for name in source_names(manifest, *pair)}
    assert kinds.count("misc") == len(names)
    assert len(entries) == len(kinds)
    for kind, fields in entries.values():
        assert fields["title"]
        assert kind == "misc" or (fields["author"] and fields["year"])


def test_known_entries():
    entries = parse(cite(load_manifest(), "suitesparse-invk"))
    paper = entries["trifonov2026messagepassing"][1]
    assert paper["author"] == "Trifonov, Vladislav and Muravleva, Ekaterina and Oseledets, Ivan"
    assert (paper["eprint"], paper["year"]) == ("2502.01397", "2026")
    assert entries["davis2011university"][1]["doi"] == "10.1145/2049662.2049663"
    assert entries["kolodziej2019suitesparse"][1]["doi"] == "10.21105/joss.01244"
    assert entries["precondbench-suitesparse-invk-sample"][1]["version"] == "sample"
    assert entries["suitesparse-HB-nos1"] == (
        "misc",
        {
            "author": "H. Simon",
            "title": "{HB/nos1}: SYMMETRIC MATRIX, FE APPROXIMATION TO BIHARMONIC OPERATOR ON "
            "BEAM.",
            "year": "1982",
            "howpublished": "SuiteSparse Matrix Collection, matrix 217",
            "note": "Edited by I. Duff, R. Grimes, J. Lewis. CC-BY-4.0",
            "url": "https://sparse.tamu.edu/HB/nos1",
        },
    )
    title = entries["suitesparse-GHS_psdef-torsion1"][1]["title"]
    assert title.startswith(r"{GHS\_psdef/torsion1}: Gould, Hu, \& Scott")


def test_synthetic_data_cites_no_collection():
    entries = parse(cite(load_manifest(), "synthetic-tridiag"))
    assert list(entries) == ["precondbench-synthetic-tridiag-1.0", "trifonov2026messagepassing"]


def test_institutions_and_unknown_words():
    manifest = Manifest(
        schema_version=1,
        sources=[
            {"group": "Pajek", "name": "Journals", "licence": "CC-BY-4.0", "matrix_id": 1506},
            {"group": "Own", "name": "x_1", "licence": "CC0-1.0"},
        ],
    )
    known, unknown = attributions(["Pajek/Journals", "Own/x_1", "Own/x_1"], manifest)[::-1]
    assert (known.author, known.matrix_id) == ("CATI Center Ljubljana", 1506)
    assert (unknown.author, unknown.title, unknown.matrix_id) == ("", "", None)
    from precondbench.recipes.publishing.citations import bibtex

    entries = parse(bibtex(manifest, [], [known, unknown]))
    assert entries["suitesparse-Pajek-Journals"][1]["author"] == "{CATI Center Ljubljana}"
    assert set(entries["suitesparse-Own-x_1"][1]) == {"title", "howpublished", "note", "url"}
    with pytest.raises(ManifestError, match="do not list HB/none"):
        attributions(["HB/none"], manifest)


def test_no_such_dataset():
    with pytest.raises(ConfigurationError, match="no dataset 'x'; there are: parametric, "):
        cite(load_manifest(), "x")


def test_words_are_those_of_the_collection(mirror):
    """Every line of the table against the header of the collection's file."""
    table = resources.files("precondbench.recipes.publishing") / "attributions.csv"
    text = table.read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == len({(row["group"], row["name"]) for row in rows}) >= 100
    compared = 0
    for row in rows:
        file = Path("MM", row["group"], f"{row['name']}.tar.gz")
        archives = [place / file for place in mirror.places if (place / file).is_file()]
        if not archives:
            continue
        header = {}
        with tarfile.open(archives[0]) as tar:
            for line in tar.extractfile(tar.getmember(f"{row['name']}/{row['name']}.mtx")):
                words = " ".join(line.decode().split())
                if not words.startswith("%"):
                    break
                found = re.fullmatch(r"% (\w+): (.*)", words)
                title = re.fullmatch(r"% \[ ?(.*?) ?\]", words)
                if found:
                    header.setdefault(found[1], found[2].replace(", and ", ", "))
                elif title:
                    header.setdefault("title", title[1])
        assert header["name"] == f"{row['group']}/{row['name']}"
        expected = (header["title"], header["author"], header["ed"], header["date"])
        assert (row["title"], row["author"], row["editor"], row["date"]) == expected
        compared += 1
    assert compared > 90
