"""Folds: every matrix tested once, families and twins together, no authors on both sides."""

import os

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from precondbench import SuiteSparseInvK
from precondbench.errors import ConfigurationError
from precondbench.factors import LowerPattern, lower_part
from precondbench.matrices import check_spd_candidate
from precondbench.recipes import FOLDED_VERSION, FOLDS, fold_splits
from precondbench.recipes.building.golden import label_digests
from precondbench.recipes.building.tasks import Task, factor_all, open_executor
from precondbench.recipes.folds import (
    family,
    joined_families,
    part_name,
    parts_of,
    pattern_signature,
    splits_of_fold,
)
from precondbench.recipes.publishing.citations import authors_of
from precondbench.recipes.suitesparse import SAMPLE_SPLITS, UNSOLVED, manifest_sources
from precondbench.shards import SourceEntry

NAMES = [f"m{i}" for i in range(40)]


def signature(matrix):
    return pattern_signature(lower_part(check_spd_candidate(matrix)))


def laplacian(edges, n):
    W = np.zeros((n, n))
    for i, j in edges:
        W[i, j] = W[j, i] = -1.0
    return sp.csr_array(W + np.diag(1.0 - W.sum(axis=1)))


@settings(deadline=None)  # Kernels are compiled once.
@given(st.integers(2, 12), st.data())
def test_a_signature_does_not_depend_on_the_order(n, data):
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] != e[1])
    A = laplacian(data.draw(st.lists(pairs, max_size=20)), n)
    order = np.array(data.draw(st.permutations(range(n))))
    assert signature(A) == signature(A[order][:, order])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([(0, 1), (1, 2), (2, 3)], [(0, 1), (0, 2), (0, 3)]),
        # The same numbers of entries in every row.
        ([(0, 1), (1, 2), (2, 3), (3, 4), (2, 5)], [(0, 1), (1, 2), (2, 3), (3, 4), (1, 5)]),
        ([(0, 1)], []),
    ],
)
def test_other_patterns_have_other_signatures(first, second):
    n = 1 + max(max(edge) for edge in first)
    assert signature(laplacian(first, n)) != signature(laplacian(second, n))


def test_families_are_joined_along_chains():
    families = {"a1": "a", "b1": "b", "b2": "b", "c1": "c", "d1": "d"}
    signatures = {"c1": "y", "b2": "y", "b1": "x", "a1": "x", "d1": "z"}
    assert joined_families(families, signatures) == {
        "a1": "a", "b1": "a", "b2": "a", "c1": "a", "d1": "d"
    }  # fmt: skip


@given(st.lists(st.sampled_from("abcdefghijkl"), min_size=1))
def test_parts_are_as_equal_as_families_allow(families):
    parts = parts_of(families)
    assert set(parts) == set(families)
    sizes = [sum(parts[family] == k for family in families) for k in range(FOLDS)]
    largest = max(families.count(family) for family in families)
    assert max(sizes) - min(sizes) <= largest


@given(st.data())
def test_any_families_and_authors(data):
    families = {name: data.draw(st.sampled_from("abcdefgh")) for name in NAMES}
    authors = {name: frozenset(data.draw(st.sets(st.sampled_from("ABCD")))) for name in NAMES}
    parts = parts_of(families.values())
    sources = [
        SourceEntry(
            name=name,
            group="g",
            licence="x",
            version=FOLDED_VERSION,
            family=families[name],
            split=part_name(parts[families[name]]),
        )
        for name in NAMES
    ]
    check_folds(
        sources,
        {f"g/{name}": known for name, known in authors.items()},
        lambda fold: splits_of_fold(sources, {f"g/{n}": a for n, a in authors.items()}, fold),
    )


def check_folds(sources, authors, splits_of):
    known = {entry.full_name: entry.family for entry in sources}
    tested = []
    for fold in range(FOLDS):
        splits = splits_of(fold)
        assert sorted(name for names in splits.values() for name in names) == sorted(known)
        families = [{known[name] for name in names} for names in splits.values()]
        assert not families[0] & families[1]
        assert not families[0] & families[2]
        assert not families[1] & families[2]
        of_test = frozenset().union(*(authors[name] for name in splits["test"]))
        of_val = frozenset().union(*(authors[name] for name in splits["val"]))
        assert not of_test & of_val
        tested += splits["test"]
    assert sorted(tested) == sorted(known)


def test_folds_of_the_collection():
    built = [entry for entry in manifest_sources(FOLDED_VERSION) if entry.outcome == "built"]
    check_folds(built, {e.full_name: authors_of(e.full_name) for e in built}, fold_splits)
    sizes = [len(fold_splits(fold)["test"]) for fold in range(FOLDS)]
    largest = max(sum(e.family == other.family for e in built) for other in built)
    assert sum(sizes) == len(built)
    assert max(sizes) - min(sizes) <= largest
    assert all(len(fold_splits(fold)["val"]) >= 5 for fold in range(FOLDS))


def test_families_are_those_of_1_0_or_joined_to_one():
    for entry in manifest_sources(FOLDED_VERSION):
        own = family(entry.name)
        same = {e.family for e in manifest_sources(FOLDED_VERSION) if family(e.name) == own}
        assert same == {entry.family}


@pytest.mark.long
def test_matrices_of_the_mirror_up_to_3000_rows(mirror):
    """What the manifest says of them: outcome, digests of entries and labels, family."""
    entries = {entry.full_name: entry for entry in mirror.entries()}
    known = [
        source
        for source in manifest_sources(FOLDED_VERSION)
        if source.n <= 3_000 and source.outcome in {"built", UNSOLVED}
        if mirror.has(entries[source.full_name])
    ]
    assert len(known) > 60
    tasks = [Task(entries[s.full_name], os.pathsep.join(mirror.places), four=True) for s in known]
    with open_executor(2) as pool:
        results = factor_all(tasks, executor=pool)
    signatures = {}
    for source, result in zip(known, results, strict=True):
        assert (result.outcome, result.matrix_digest) == (source.outcome, source.matrix_digest)
        assert label_digests(result.record) == source.labels
        pattern = LowerPattern(result.record.indptr, result.record.indices)
        family = signatures.setdefault(pattern_signature(pattern), source.family)
        assert family == source.family


def test_the_sample_agrees_with_fold_0():
    digests = {e.full_name: e.matrix_digest for e in manifest_sources(FOLDED_VERSION)}
    for split, names in fold_splits(0).items():
        own = {digests[name] for name, _ in SAMPLE_SPLITS[split]}
        assert own <= {digests[name] for name in names}


@pytest.mark.parametrize("fold", [-1, 5, 1.0, "0", True, None])
def test_no_such_fold(fold):
    with pytest.raises(ConfigurationError, match="give a whole number from 0 to 4"):
        fold_splits(fold)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fold": 0}, "version 1.0 has no folds"),
        ({"fold": 0, "version": "sample"}, "version sample has no folds"),
        ({"version": "2.0"}, "a split 'train' in each of its folds; give fold=0 to 4"),
        ({"version": "2.0", "fold": 5}, "give a whole number from 0 to 4"),
        ({"version": "2.0", "fold": 0, "split": "all"}, "a fold has no split 'all'"),
    ],
)
def test_settings_that_do_not_go_together(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        SuiteSparseInvK(**settings)
