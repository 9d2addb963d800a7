"""Version 2.0 in other orders: the same matrices with their rows permuted, labelled anew."""

import numpy as np
import pytest

from precondbench import SuiteSparseInvK, ic0
from precondbench.errors import PrecondbenchError
from precondbench.factors import permuted, reverse_cuthill_mckee
from precondbench.matrices import formula_matrix, matrix_digest
from precondbench.recipes.building.four import POSITIONS, label_in_order
from precondbench.recipes.suitesparse import ORDERS

GRID = "HB/gr_30_30"


def sample(pattern, split="all", **options):
    return SuiteSparseInvK(split=split, version="sample-2.0", pattern=pattern, **options)


@pytest.mark.parametrize("configuration", ORDERS)
def test_matrices_are_those_of_the_order_given_permuted(configuration):
    given, moved = sample("tril"), sample(configuration)
    assert moved.names == given.names
    for i in range(len(given)):
        A = given.pair(i).A
        expected = permuted(A, POSITIONS[configuration](A))
        assert matrix_digest(moved.pair(i).A) == matrix_digest(expected)


@pytest.mark.parametrize("configuration", ORDERS)
def test_labels_are_factors_of_the_permuted_matrix(configuration):
    data = sample(configuration, label="ic0")
    pair = data.pair(data.names.index(GRID))
    np.testing.assert_array_equal(pair.L.toarray(), ic0(pair.A).toarray())


@pytest.mark.parametrize("fold", range(5))
def test_folds_are_those_of_the_order_given(fold):
    for split in ("train", "val", "test"):
        assert sample("tril-rcm", split, fold=fold).names == sample("tril", split, fold=fold).names


def test_the_digest_is_that_of_the_matrix_as_given():
    A = formula_matrix("HB/nos1")
    assert label_in_order("HB/nos1", A, "", "tril-rcm").matrix_digest == matrix_digest(A)


def test_rcm_shrinks_the_band():
    A = formula_matrix("JGD_Trefethen/Trefethen_200")

    def band(matrix):
        rows, columns = matrix.nonzero()
        return np.abs(rows - columns).max()

    assert band(permuted(A, reverse_cuthill_mckee(A))) < band(A)


def test_versions_without_orders_say_so():
    with pytest.raises(PrecondbenchError, match="tril-rcm"):
        SuiteSparseInvK(split="val", version="sample", pattern="tril-rcm")
