"""Formulas equal the files of the collection; mirrors are not trusted."""

import io
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from precondbench.errors import ConfigurationError, MatrixError, MissingDataError
from precondbench.matrices import FORMULA_NAMES, Collection, formula_matrix
from precondbench.matrices.suitesparse.collection import mirrors_in
from precondbench.matrices.suitesparse.formulas import (
    bound_constrained,
    clamped_beam,
    smoothed_grid,
    supported_beam,
    torsion,
    trefethen,
)

MTX = b"%%MatrixMarket matrix coordinate real symmetric\n2 2 3\n1 1 2.0\n2 1 -1.0\n2 2 2.0\n"
INDEX = "1\n01-Jan-2026 00:00:00\nG,tiny,2,2,4,1,0,0,1,1,1,test problem,4\n"


def archive(content: bytes, name: str = "tiny/tiny.mtx", kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.type = kind
        info.size = len(content) if kind == tarfile.REGTYPE else 0
        info.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def small_mirror(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "ssstats.csv").write_text(INDEX)
    (tmp_path / "MM" / "G").mkdir(parents=True)
    (tmp_path / "MM" / "G" / "tiny.tar.gz").write_bytes(archive(MTX))
    return tmp_path


@pytest.mark.parametrize("name", FORMULA_NAMES)
def test_formula_equals_the_collection(mirror, name):
    entry = next(entry for entry in mirror.entries() if entry.full_name == name)
    if not mirror.has(entry):
        pytest.skip(f"{name} is not in the mirror")
    ours, theirs = formula_matrix(name), mirror.matrix(entry)
    np.testing.assert_array_equal(ours.indptr, theirs.indptr)
    np.testing.assert_array_equal(ours.indices, theirs.indices)
    np.testing.assert_array_equal(ours.data, theirs.data)


def test_known_counts_of_the_formulas():
    """From the collection's index, so that formulas are tested without the mirror, too."""
    expected = {"HB/gr_30_30": 7744, "HB/nos1": 1017, "HB/nos2": 4137, "GHS_psdef/torsion1": 197608}
    expected |= {"Oberwolfach/LF10": 82, "Oberwolfach/LFAT5": 46, "Norris/fv1": 85264}
    expected |= {"Norris/fv3": 87025, "GHS_psdef/cvxbqp1": 349968, "Oberwolfach/LF10000": 99982}
    expected |= {"JGD_Trefethen/Trefethen_20b": 147, "JGD_Trefethen/Trefethen_2000": 41906}
    for name, nnz in expected.items():
        assert formula_matrix(name).nnz == nnz


def test_trefethen_challenge():
    """Problem 7 of the SIAM 100-digit challenge is (A^-1)_11 for n = 20000: 0.7250783...

    The entry converges fast in n; n = 2000 gives the first digits.
    """
    A = trefethen(2000).toarray()
    assert np.linalg.solve(A, np.eye(2000)[0])[0] == pytest.approx(0.72507834, abs=1e-4)


def test_clamped_beam_deflection():
    """A clamped beam under a unit load at its middle: w = F L^3 / (192 EI), exact at nodes."""
    elements = 16
    A = clamped_beam(elements).toarray()
    load = np.zeros(A.shape[0])
    middle = 3 * (elements // 2 - 1) + 1
    load[middle] = 1.0
    assert np.linalg.solve(A, load)[middle] == pytest.approx(10.0**3 / (192 * 1e5), rel=1e-8)


def test_supported_beam_deflection():
    """A beam on two supports under a unit load at its middle: w = F L^3 / (48 EI)."""
    A = supported_beam(9, spatial=False).toarray()
    load = np.zeros(A.shape[0])
    load[2 * 4 - 1] = 1.0
    found = np.linalg.solve(A, load)[2 * 4 - 1]
    assert found == pytest.approx(0.1**3 / (48 * 2e11 * 4.909e-14), rel=1e-8)


def test_a_spatial_beam_is_four_problems():
    """Bending as in the plane, stretching and torsion as of a rod."""
    A = supported_beam(9, spatial=True).toarray()
    bending = np.r_[0, [4 * i + k for i in range(7) for k in (3, 4)], A.shape[0] - 1]
    plane = supported_beam(9, spatial=False).toarray()
    np.testing.assert_array_equal(A[np.ix_(bending, bending)], plane)
    for first, stiffness in ((1, 157080.0), (2, 2e11 / 2.58 * 9.817e-14)):
        rod = A[first:-1:4, first:-1:4] * (0.1 / 8) / stiffness
        np.testing.assert_allclose(rod, 2 * np.eye(7) - np.eye(7, k=1) - np.eye(7, k=-1))


def test_eigenvalues_of_a_smoothed_grid():
    """T = tridiag(1, 2, 1) / 2 has the eigenvalues 2 cos^2, and A is (c + 1) I - kron(T, T)."""
    waves = 2 * np.cos(np.arange(1, 7) * np.pi / 14) ** 2
    expected = np.sort((4.0 - np.outer(waves, waves)).ravel())
    np.testing.assert_allclose(np.linalg.eigvalsh(smoothed_grid(6, 3.0).toarray()), expected)


def test_bound_constrained_by_hand():
    """For n = 3: j = 2, 1, 3 and k = 3, 3, 3, so that the last v is 3 e_3."""
    vectors = np.array([[1, 1, 1], [1, 1, 1], [0, 0, 3]])
    A = 0.2 * np.eye(3)
    for weight, v in zip((1, 2, 3), vectors, strict=True):
        A = A + weight * np.outer(v, v)
    np.testing.assert_allclose(bound_constrained(3).toarray(), A)


def test_torsion_has_constant_row_sums():
    A = torsion(8)
    np.testing.assert_allclose(np.asarray(A.sum(axis=1)).ravel(), 0.2, atol=1e-14)


@pytest.mark.parametrize("name", ["HB/none", "JGD_Trefethen/Trefethen_0", "nos1"])
def test_unknown_formula(name):
    with pytest.raises(ConfigurationError, match="no formula is known"):
        formula_matrix(name)


def test_read_from_a_folder(small_mirror):
    collection = Collection(small_mirror)
    (entry,) = collection.positive_definite(10)
    assert collection.has(entry)
    np.testing.assert_array_equal(collection.matrix(entry).toarray(), [[2, -1], [-1, 2]])
    assert collection.positive_definite(1) == []


def test_several_mirrors(small_mirror, tmp_path, monkeypatch):
    """A matrix comes from the first mirror that has it; an index is that of all."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        (folder / "files").mkdir(parents=True)
        shutil.copy(small_mirror / "files" / "ssstats.csv", folder / "files")
    monkeypatch.setenv("PRECONDBENCH_SUITESPARSE", os.pathsep.join(map(str, (first, second))))
    (entry,) = Collection().entries()
    assert not Collection().has(entry)
    with pytest.raises(MissingDataError, match=f"not in the mirror {second}, nor in {first}"):
        Collection().matrix(entry)
    shutil.copytree(small_mirror / "MM", second / "MM")
    assert Collection().has(entry)
    assert Collection().matrix(entry).nnz == 4


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("/a", ["/a"]),
        ("/a:/b:", ["/a", "/b"]),
        (
            "http://h/x:https://h:80:/b:3:https://h",
            ["http://h/x", "https://h:80", "/b", "3", "https://h"],
        ),
        ("relative:http://[::1]:80/x", ["relative", "http://[::1]:80/x"]),
    ],
)
@pytest.mark.skipif(os.pathsep != ":", reason="addresses hold the separator only where it is ':'")
def test_a_list_of_folders_and_addresses(text, places):
    assert mirrors_in(text) == places


@pytest.fixture
def _online(monkeypatch):
    monkeypatch.delenv("PRECONDBENCH_OFFLINE")


def test_offline_forbids_a_url(tmp_path):
    with pytest.raises(MissingDataError, match="PRECONDBENCH_OFFLINE forbids"):
        Collection("http://127.0.0.1:9", cache=tmp_path).entries()


@pytest.mark.usefixtures("_online")
def test_read_from_a_url(small_mirror, httpserver, tmp_path):
    for path in ("files/ssstats.csv", "MM/G/tiny.tar.gz"):
        httpserver.expect_request(f"/{path}").respond_with_data((small_mirror / path).read_bytes())
    collection = Collection(httpserver.url_for("/"), cache=tmp_path / "cache")
    (entry,) = collection.positive_definite()
    assert (entry.full_name, entry.rows, entry.kind) == ("G/tiny", 2, "test problem")
    np.testing.assert_array_equal(collection.matrix(entry).toarray(), [[2, -1], [-1, 2]])


@pytest.mark.usefixtures("_online")
def test_url_without_an_index(httpserver, tmp_path):
    httpserver.expect_request("/files/ssstats.csv").respond_with_data("<html>no</html>", status=404)
    with pytest.raises(MissingDataError, match="index of"):
        Collection(httpserver.url_for("/"), cache=tmp_path).entries()
    assert not (tmp_path / "index.db").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not an archive", "is damaged"),
        (archive(MTX)[:-40], "is damaged|not readable"),
        (archive(MTX, "../tiny.mtx"), "does not contain"),
        (archive(MTX, "tiny/tiny.mtx", tarfile.SYMTYPE), "not a plain file"),
        (archive(MTX, "tiny/tiny.mtx", tarfile.LNKTYPE), "not a plain file"),
        (archive(MTX.replace(b"2 1 -1.0\n", b"").replace(b"2 2 3", b"2 2 2")), "another matrix"),
        (archive(b"junk"), "not readable as Matrix Market"),
    ],
)
def test_hostile_archives(small_mirror, content, message):
    (small_mirror / "MM" / "G" / "tiny.tar.gz").write_bytes(content)
    collection = Collection(small_mirror)
    with pytest.raises(MatrixError, match=message):
        collection.matrix(collection.entries()[0])


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (INDEX.replace("G,tiny", "G,../../x"), "has the name"),
        (INDEX.replace("1\n01", "2\n01"), "announces 2"),
        ("", "not the collection's index"),
        (INDEX.replace("2,2,4", "2,x,4"), "not the collection's index"),
    ],
)
def test_hostile_index(small_mirror, index, message):
    (small_mirror / "files" / "ssstats.csv").write_text(index)
    with pytest.raises(MissingDataError, match=message):
        Collection(small_mirror).entries()


def test_no_source(monkeypatch, tmp_path):
    monkeypatch.delenv("PRECONDBENCH_SUITESPARSE", raising=False)
    with pytest.raises(ConfigurationError, match="PRECONDBENCH_SUITESPARSE"):
        Collection()
    with pytest.raises(MissingDataError, match="not a mirror"):
        Collection(tmp_path)


def test_the_mirror_holds_what_it_says(mirror):
    held = [entry for entry in mirror.positive_definite(49_999) if mirror.has(entry)]
    assert len(mirror.positive_definite(49_999)) == 161
    files = [file for place in mirror.places for file in Path(place).glob("MM/*/*.tar.gz")]
    # The mirrors may hold larger ones.
    assert len(held) <= len({file.relative_to(file.parents[2]) for file in files})
