"""How outcomes and pairs are shown."""

import sys

import matplotlib as mpl
import numpy as np
import pytest
import scipy.sparse as sp

from precondbench import Pair, evaluate, ic0, ilu0
from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices import formula_matrix, poisson_1d, tridiagonal_csr
from precondbench.quality import Evaluation, spectrum_ends

mpl.use("agg")
POISSON, GRID = tridiagonal_csr(poisson_1d(30)), formula_matrix("HB/gr_30_30")


class Two:
    def __len__(self):
        return 2

    def pair(self, index):
        A = (POISSON, GRID)[index]
        return Pair(("<i>line</i>", "grid")[index], A, ic0(A))


@pytest.fixture(scope="module")
def outcome():
    return evaluate(Two(), lambda A: ic0(A) if A.shape[0] == 900 else ic0(A) * np.nan)


def test_ten_lines(outcome):
    """Also of a set on which a solve fails, and in which no prediction is valid."""
    lines = str(outcome).splitlines()
    assert len(lines) <= 10
    assert lines[0] == "Evaluation of 2 matrices, n = 30 to 900"
    assert lines[1].split() == ["solved", "1", "of", "2"]
    assert "<i>line</i>: invalid" in lines[2]
    assert "5012" in lines[3]
    html = outcome._repr_html_()
    assert "&lt;i&gt;line&lt;/i&gt;: invalid" in html
    assert html.count("<tr>") == len(lines) - 1
    alone = Evaluation.of(outcome.rows[:1])
    assert "cosine" not in str(alone)
    assert "0 of 1" in str(alone)


def test_a_table_with_a_row_a_matrix(outcome):
    table = outcome.to_pandas()
    assert list(table.index) == ["<i>line</i>", "grid"]
    assert table.loc["grid", "iterations"] == outcome.iterations[1] > 0
    assert table.loc["grid", "sides"] == outcome.sides[1]
    assert np.isnan(table.loc["<i>line</i>", "cosine"])


def test_the_profile_counts_what_is_solved(outcome):
    axes = outcome.plot(label="IC(0)")
    same = evaluate(Two(), ic0).plot(axes)
    assert same is axes
    (half, whole) = axes.lines
    assert half.get_label() == "IC(0)"
    for line, share in ((half, 0.5), (whole, 1.0)):
        x, y = line.get_data()
        # Exactly as many iterations as the target.
        assert [y[x < 1].max(), y[x >= 1].min(), y[-1]] == [0.0, share, share]
    mpl.pyplot.close("all")


def test_pictures_of_a_pair():
    pair = Two().pair(1)
    axes = pair.spy()
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), pair.A.toarray() != 0)
    figure = pair.plot()
    shown = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert shown == ["A of grid", "L"]
    A = sp.csr_array(np.array([[2.0, 1.0], [-1.0, 2.0]]))
    assert len(Pair("a", A, *ilu0(A)).plot().axes) == 6
    large = sp.eye_array(5000, format="csr")
    (image,) = Pair("eye", large, None).spy().images
    assert image.get_array().shape == (1024, 1024)
    np.testing.assert_array_equal(image.get_array(), np.eye(1024, dtype=bool))
    mpl.pyplot.close("all")


@pytest.mark.parametrize("n", [20, 1500])
def test_ends_of_a_known_spectrum(n):
    angles = np.pi * np.array([1, n]) / (n + 1)
    expected = 2 - 2 * np.cos(angles)
    A = tridiagonal_csr(poisson_1d(n))
    np.testing.assert_allclose(spectrum_ends(A), expected, rtol=1e-7)
    assert Pair("poisson", A, None).spectrum_ends() == spectrum_ends(A)


def test_a_matrix_that_is_not_symmetric_has_no_ends():
    A = sp.csr_array(np.array([[2.0, 1.0], [-1.0, 2.0]]))
    with pytest.raises(MatrixError, match="a is not symmetric"):
        Pair("a", A, *ilu0(A)).spectrum_ends()


@pytest.mark.parametrize(
    ("package", "shown"),
    [
        ("pandas", lambda outcome: outcome.to_pandas()),
        ("matplotlib", lambda outcome: outcome.plot()),
        ("matplotlib", lambda outcome: Two().pair(0).spy()),
    ],
)
def test_what_is_missing_is_named(monkeypatch, outcome, package, shown):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match=f"pip install {package}"):
        shown(outcome)
