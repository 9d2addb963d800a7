"""Families on triangles, tetrahedra and graphs: meshes, graphs, products, and bits."""

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from precondbench.errors import ConfigurationError
from precondbench.matrices import FAMILIES, UniformStream, matrix_digest, near_null_vectors
from precondbench.matrices.families.graphs import (
    community_graph,
    geometric_graph,
    power_law_graph,
    shifted_laplacian,
    small_world_graph,
)
from precondbench.matrices.families.meshes import random_mesh, rectilinear_domain, star_domain
from precondbench.matrices.families.random_spd import random_spd

OURS = ("mesh-2d", "elasticity-2d", "elasticity-3d", "graph", "random-spd")
DIGESTS = {
    "mesh-2d": "557cc7bcd7a7fdebac401359f54c7066bcc62adc3eaf7c4b0df069170c562ea2",
    "elasticity-2d": "f08b77c464227a94b44e2d13697693758fb72d7d742525e99e6756acef7674b5",
    "elasticity-3d": "cb483c19266e69f74807464adabe215776330d554dd18fa769d6b037dc6edb30",
    "graph": "3d2a999f43fdd8a838475a0515d81a3cc407da08605a564bbbe54510b345ba1f",
    "random-spd": "7115139571e46a29e98acc13e7fa2be9e947a93107e782fdf8152acbf6b23250",
}


def draw_domain(kind, seed):
    stream = UniformStream(3, seed)
    domain = star_domain(stream, 5 + seed % 6) if kind == "star" else rectilinear_domain(stream)
    return domain, stream


@pytest.mark.parametrize("kind", ["star", "rectilinear"])
@pytest.mark.parametrize("seed", range(8))
def test_meshes_fill_their_domain_with_good_triangles(kind, seed):
    domain, stream = draw_domain(kind, seed)
    refinement = 1.0 + seed
    n = 60 if seed % 2 else 500
    mesh = random_mesh(stream, domain, n, refinement)
    corners = mesh.points[mesh.triangles]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    start, end = domain.corners[domain.sides[:, 0]], domain.corners[domain.sides[:, 1]]
    assert areas.min() > 0
    # Gauss: the area from the sides, which are turned left around it.
    area = 0.5 * np.sum(start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0])
    assert areas.sum() == pytest.approx(area, rel=1e-12)
    edges = np.sort(mesh.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, uses = np.unique(edges, axis=0, return_counts=True)
    assert uses.max() == 2
    length = np.linalg.norm(np.diff(mesh.points[edges[uses == 1]], axis=1), axis=-1).sum()
    assert length == pytest.approx(np.linalg.norm(end - start, axis=1).sum())
    np.testing.assert_array_equal(np.unique(mesh.triangles), np.arange(len(mesh.points)))
    assert connected_components(
        sparse.coo_array((np.ones(len(edges)), edges.T), (len(mesh.points),) * 2)
    )[0] == 1  # fmt: skip
    for corner in range(3):
        a, b = (corners[:, (corner + step) % 3] - corners[:, corner] for step in (1, 2))
        cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert cosine.max() < np.cos(np.radians(20 if n == 500 else 15))
    assert np.sqrt(areas.max() / areas.min()) > 0.5 * refinement
    assert np.sum(~mesh.fixed) == pytest.approx(n, rel=0.12 if n == 500 else 0.3)
    # A node is fixed if it lies on a fixed side.
    away = mesh.points[:, None] - start
    t = end - start
    across = np.abs(away[..., 0] * t[:, 1] - away[..., 1] * t[:, 0])
    along = (away * t).sum(axis=-1) / (t * t).sum(axis=1)
    on_side = (across < 1e-12) & (along > -1e-12) & (along < 1 + 1e-12)
    np.testing.assert_array_equal(mesh.fixed, on_side[:, domain.fixed].any(axis=1))


def test_meshes_with_too_few_nodes_are_refused():
    family = FAMILIES["mesh-2d"]
    with pytest.raises(ConfigurationError, match="use n >= 50"):
        family.draw(UniformStream(1), 49)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("mesh-2d", {"corners": 2.0}),
        ("mesh-2d", {"refinement": 0.5}),
        ("elasticity-2d", {"jitter": 0.25}),
        ("elasticity-3d", {"jitter": (0.1, 0.2)}),
        ("elasticity-3d", {"poisson": 0.5}),
        ("graph", {"kind": 7.0}),
    ],
)
def test_values_that_make_no_sense_are_refused(name, given):
    with pytest.raises(ConfigurationError, match="give numbers from"):
        FAMILIES[name].draw(UniformStream(1), 100, given)


def adjacency(n, edges):
    assert np.all(edges[:, 0] < edges[:, 1])
    assert np.all(np.diff(edges[:, 0] * n + edges[:, 1]) > 0)
    upper = sparse.coo_array((np.ones(len(edges)), edges.T), (n, n)).tocsr()
    return upper + upper.T


def clustering(graph):
    """Mean over the nodes of the part of pairs of neighbours that are neighbours."""
    degree = graph.sum(axis=1)
    triangles = (graph @ graph).multiply(graph).sum(axis=1)
    return np.mean(triangles / np.maximum(degree * (degree - 1), 1))


def test_geometric_graphs_join_all_near_points():
    n, degree = 400, 8.0
    edges = geometric_graph(UniformStream(5), n, degree)
    radius = np.sqrt(degree / (np.pi * n))
    points = UniformStream(5).uniform(2 * n).reshape(2, n)
    x, y = points[:, np.lexsort((points[0], np.floor(points[1] / radius)))]
    near = [
        (i, j)
        for i, j in combinations(range(n), 2)
        if (x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2 < radius**2
    ]
    np.testing.assert_array_equal(edges, near)


def test_small_worlds_keep_clustering_and_have_short_paths():
    """Watts and Strogatz: C = 3 (k - 2) / (4 (k - 1)) on the ring, and C (1 - p)^3 after p."""
    n, k = 2000, 10
    ring = 3 * (k - 2) / (4 * (k - 1))
    assert clustering(
        adjacency(n, small_world_graph(UniformStream(6), n, k, 0.0))
    ) == pytest.approx(ring)
    graph = adjacency(n, small_world_graph(UniformStream(6), n, k, 0.1))
    assert clustering(graph) == pytest.approx(ring * 0.9**3, rel=0.05)
    steps = sparse.csgraph.shortest_path(graph, unweighted=True, indices=[0])
    assert steps.max() < 12 < n / k / 2


def test_degrees_of_power_law_graphs():
    """Barabasi and Albert with m new edges a node: P(degree >= k) = m (m + 1) / (k (k + 1))."""
    n, m = 20_000, 3
    graph = adjacency(n, power_law_graph(UniformStream(7), n, 2.0 * m))
    degree = graph.sum(axis=1)
    assert connected_components(graph)[0] == 1
    for k in (6, 12, 24, 48):
        assert np.mean(degree >= k) == pytest.approx(m * (m + 1) / (k * (k + 1)), rel=0.15)
    assert degree.max() > 40 * degree.mean()


def test_communities():
    n = 2000
    edges = community_graph(UniformStream(8), n, 10.0, 0.1)
    inside = edges[:, 0] // 32 == edges[:, 1] // 32
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


def test_laplacians():
    edges = np.array([[0, 1], [0, 3], [1, 2], [2, 3]])
    A = shifted_laplacian(4, edges, np.array([1.0, 2.0, 3.0, 4.0]), 0.5)
    L = [[3, -1, 0, -2], [-1, 4, -3, 0], [0, -3, 7, -4], [-2, 0, -4, 6]]
    np.testing.assert_array_equal(A.toarray(), L + 0.5 * 5.0 * np.eye(4))
    assert A.has_canonical_format


def test_random_spd_is_a_product_with_the_transpose():
    n, entries, shift = 500, 3.0, 1e-3
    A = random_spd(UniformStream(9), n, entries, shift)
    stream = UniformStream(9)
    rows = np.repeat(np.arange(n), np.floor(entries + stream.uniform(n)).astype(int))
    keys = np.unique(rows * n + (stream.uniform(len(rows)) * n).astype(int))
    M = np.zeros((n, n))
    M[keys // n, keys % n] = stream.near_normal(len(keys))
    np.testing.assert_allclose(A.toarray(), M @ M.T + shift * np.eye(n), atol=1e-14)
    values = np.linalg.eigvalsh(A.toarray())
    # A third of the columns of M would be needed to have full rank, and 5 % are empty.
    assert values[0] == pytest.approx(shift, rel=1e-9)
    assert A.nnz / n == pytest.approx(1 + entries**2, rel=0.1)


@pytest.mark.parametrize("axis", ["none", "contrast", "mesh"])
@pytest.mark.parametrize("name", OURS)
def test_systems_are_sound(name, axis):
    family = FAMILIES[name]
    given = family.axes.get(axis, {})
    for seed in range(3):
        (system,) = family.draw(UniformStream(family.stream, seed), 300, given)
        A = system.A
        assert A.shape[0] == pytest.approx(300, rel=0.2)
        assert A.has_sorted_indices
        assert np.all(A.data != 0)
        assert np.all(np.isfinite(A.data))
        assert (A - A.T).nnz == 0
        scale = 1 / np.sqrt(A.diagonal())
        np.linalg.cholesky(scale[:, None] * A.toarray() * scale)
        assert set(system.facts) == set(family.parameters)
        for parameter, value in system.facts.items():
            drawn = family.parameters[parameter]
            bounds = given.get(parameter, (drawn.low, drawn.high))
            assert np.min(bounds) <= value <= np.max(bounds)
        if name in ("graph", "random-spd"):
            assert system.coordinates is system.coefficients is system.h is None
        else:
            assert system.coordinates.shape == (system.nodes, int(name[-2]))
            assert system.coefficients.shape == (system.nodes, len(family.coefficients))
            assert np.all(system.coefficients > 0)
            assert 0 < system.h < 0.8
        again = family.draw(UniformStream(family.stream, seed), 300, given)[0].A
        assert matrix_digest(again) == matrix_digest(A)


def test_constants_and_rigid_motions_are_nearly_in_the_kernel():
    """Away from the supports the operator gives zero on them."""
    for name in OURS[:4]:
        family = FAMILIES[name]
        (system,) = family.draw(UniformStream(family.stream, 9), 400)
        A = system.A
        vectors = near_null_vectors(system.near_null_space, A.shape[0], system.coordinates)
        quotient = np.einsum("iv,iv->v", vectors, A @ vectors) / np.einsum(
            "iv,i,iv->v", vectors, A.diagonal(), vectors
        )
        assert quotient.max() < 0.2


def first_digests():
    return {
        name: matrix_digest(FAMILIES[name].draw(UniformStream(FAMILIES[name].stream), 200)[0].A)
        for name in OURS
    }


def test_bits_are_those_of_the_first_machine():
    assert first_digests() == DIGESTS


@pytest.mark.long
def test_bits_do_not_depend_on_the_kind_of_cpu(generic_cpu):
    code = "import test_mesh_families as t; assert t.first_digests() == t.DIGESTS"
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, **generic_cpu, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
