"""Linear elements: order of convergence, patch test, rigid modes, comparison with scikit-fem."""

import numpy as np
import pytest
from scipy.sparse.linalg import spsolve

from precondbench.errors import MatrixError
from precondbench.matrices import UniformStream, near_null_vectors
from precondbench.matrices.families.elasticity import cell_mesh, graded_stiffness
from precondbench.matrices.families.elements import (
    diffusion_matrix,
    elasticity_matrix,
    lame_parameters,
    mean_edge_length,
    node_means,
    shape_gradients,
)
from precondbench.matrices.families.meshes import random_mesh, star_domain

LAME = (0.7, 0.4)


def box(dimensions, cells=4, jitter=0.1):
    """A unit box in jittered elements, and which nodes lie inside."""
    mesh = cell_mesh((cells,) * dimensions, 1.0 / cells, UniformStream(1, cells), jitter)
    return mesh, np.all((mesh.points > 0.0) & (mesh.points < 1.0), axis=1)


def elastic(mesh, first=LAME[0], second=LAME[1]):
    ones = np.ones(len(mesh.elements))
    return elasticity_matrix(mesh.points, mesh.elements, first * ones, second * ones)


def quadrature(points, elements):
    """Points, weights and shape functions of a rule that is exact for polynomials of degree 2."""
    dimensions = points.shape[1]
    near, far = (2 / 3, 1 / 6) if dimensions == 2 else (0.5854101966249685, 0.1381966011250105)
    shape = np.full((dimensions + 1, dimensions + 1), far) + (near - far) * np.eye(dimensions + 1)
    weights = shape_gradients(points, elements)[1] / (dimensions + 1)
    places = np.einsum("qc,ecd->eqd", shape, points[elements])
    return places, weights, shape


def solved(A, load, inside, exact):
    """Solve with the exact values at the nodes that are not inside."""
    u = exact.copy()
    known = A[:, ~inside] @ exact[~inside]
    u[inside] = spsolve(A[inside][:, inside].tocsc(), (load - known)[inside])
    return u


def load_vector(points, elements, force, components):
    places, weights, shape = quadrature(points, elements)
    values = force(places).reshape(*places.shape[:2], components)
    parts = np.einsum("e,eqa,qc->eca", weights, values, shape)
    load = np.zeros((len(points), components))
    np.add.at(load, elements, parts)
    return load.ravel()


def errors(points, elements, u, exact, gradient, energy):
    """Norms of the error in L2 and in energy."""
    components = u.size // len(points)
    places, weights, shape = quadrature(points, elements)
    corner_values = u.reshape(-1, components)[elements]
    difference = np.einsum("qc,eca->eqa", shape, corner_values) - exact(places).reshape(
        *places.shape[:2], components
    )
    slopes = np.einsum("ecd,eca->ead", shape_gradients(points, elements)[0], corner_values)
    strain = gradient(places) - slopes[:, None]
    l2 = np.sqrt(np.einsum("e,eqa->", weights, difference**2))
    return l2, np.sqrt(np.einsum("e,eq->", weights, energy(places, strain)))


def assert_orders(sizes, found):
    """L2 of second order, energy of first, within the scatter of random meshes."""
    rates = np.log(found[0] / found[-1]) / np.log(sizes[0] / sizes[-1])
    assert rates == pytest.approx([2.0, 1.0], abs=0.2)


def test_diffusion_converges_with_the_order_of_linear_elements():
    """-div(k grad u) = f, u = x^2 y + y^2, k = 2 + x y, on meshes of a star-shaped domain."""
    sizes, found = [], []
    for n in (150, 600, 2400):
        stream = UniformStream(3)
        domain = star_domain(stream, 7)
        domain = domain._replace(fixed=np.ones(len(domain.sides), dtype=bool))
        mesh = random_mesh(stream, domain, n, 1.0)
        points, elements = mesh.points, mesh.triangles

        def exact(p):
            x, y = p[..., 0], p[..., 1]
            return x * x * y + y * y

        def gradient(p):
            x, y = p[..., 0], p[..., 1]
            return np.stack((2 * x * y, x * x + 2 * y), axis=-1)[..., None, :]

        def conductivity(p):
            return 2 + p[..., 0] * p[..., 1]

        def force(p):
            x, y = p[..., 0], p[..., 1]
            return -(y * 2 * x * y + x * (x * x + 2 * y) + (2 + x * y) * (2 * y + 2))

        def energy(p, strain):
            return conductivity(p) * (strain**2).sum(axis=(-1, -2))

        k = conductivity(points[elements].mean(axis=1))
        u = solved(
            diffusion_matrix(points, elements, k),
            load_vector(points, elements, force, 1), ~mesh.fixed, exact(points),
        )  # fmt: skip
        sizes.append(mean_edge_length(points, elements))
        found.append(np.array(errors(points, elements, u, exact, gradient, energy)))
    assert_orders(sizes, found)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_elasticity_converges_with_the_order_of_linear_elements(dimensions):
    """u = (x^2 y, y^2 z, z^2 x), without z in the plane; f from -div sigma by hand."""
    first, second = LAME
    sizes, found = [], []
    for cells in (4, 8, 16) if dimensions == 2 else (2, 4, 8):
        mesh, inside = box(dimensions, cells)

        def exact(p):
            return p * p * np.roll(p, -1, axis=-1)

        def gradient(p):
            after = np.roll(p, -1, axis=-1)
            slopes = np.zeros((*p.shape, dimensions))
            for a in range(dimensions):
                slopes[..., a, a] += 2 * p[..., a] * after[..., a]
                slopes[..., a, (a + 1) % dimensions] += p[..., a] ** 2
            return slopes

        def force(p):
            after, before = np.roll(p, -1, axis=-1), np.roll(p, 1, axis=-1)
            # div u = sum of 2 x y; its gradient, and the Laplacian of each component.
            return -((first + second) * 2 * (after + before) + second * 2 * after)

        def energy(p, strain):
            symmetric = 0.5 * (strain + np.swapaxes(strain, -1, -2))
            trace = np.trace(strain, axis1=-2, axis2=-1)
            return 2 * second * (symmetric**2).sum(axis=(-1, -2)) + first * trace**2

        load = load_vector(mesh.points, mesh.elements, force, dimensions)
        u = solved(
            elastic(mesh), load, np.repeat(inside, dimensions), exact(mesh.points).ravel()
        )  # fmt: skip
        sizes.append(mean_edge_length(mesh.points, mesh.elements))
        found.append(np.array(errors(mesh.points, mesh.elements, u, exact, gradient, energy)))
    assert_orders(sizes[-2:], found[-2:])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_linear_displacements_are_reproduced(dimensions):
    """The patch test: with the values of a linear function on the boundary it is the solution."""
    mesh, inside = box(dimensions)
    slopes = np.random.default_rng(0).uniform(-1, 1, (dimensions, dimensions))
    u = (mesh.points @ slopes).ravel()
    A = elastic(mesh)
    no_load = np.zeros(u.size)
    found = solved(A, no_load, np.repeat(inside, dimensions), u)
    np.testing.assert_allclose(found, u, atol=1e-13)
    D = diffusion_matrix(mesh.points, mesh.elements, np.ones(len(mesh.elements)))
    np.testing.assert_allclose((D @ mesh.points)[inside], 0.0, atol=1e-14)


@pytest.mark.parametrize(("dimensions", "modes"), [(2, 3), (3, 6)])
def test_free_bodies_have_the_rigid_motions_and_no_other_mode(dimensions, modes):
    mesh, _ = box(dimensions, 3)
    young = np.random.default_rng(1).uniform(0.1, 1, len(mesh.elements))
    A = elasticity_matrix(mesh.points, mesh.elements, *lame_parameters(young, 0.3, dimensions))
    values = np.linalg.eigvalsh(A.toarray())
    assert np.sum(values < 1e-13) == modes
    assert values[modes] > 1e-4
    rigid = near_null_vectors("rigid", A.shape[0], mesh.points)
    assert np.linalg.matrix_rank(rigid) == rigid.shape[1] == modes
    np.testing.assert_allclose(A @ rigid, 0.0, atol=1e-13)


def test_lame_parameters_are_those_of_one_axis_pulled():
    """Stress E along the axis and none across give strain 1 along it and -nu across."""
    (first,), (second,) = lame_parameters(np.array([2.0]), 0.3, 3)
    strain = np.diag([1.0, -0.3, -0.3])
    stress = first * np.trace(strain) * np.eye(3) + 2 * second * strain
    np.testing.assert_allclose(stress, np.diag([2.0, 0.0, 0.0]), atol=1e-15)
    (first,), (second,) = lame_parameters(np.array([2.0]), 0.3, 2)
    strain = np.diag([1.0, -0.3])
    stress = first * np.trace(strain) * np.eye(2) + 2 * second * strain
    np.testing.assert_allclose(stress, np.diag([2.0, 0.0]), atol=1e-15)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_matrices_equal_those_of_scikit_fem(dimensions):
    skfem = pytest.importorskip("skfem")
    from skfem.helpers import ddot, dot, eye, grad, sym_grad, trace

    mesh, _ = box(dimensions, 3)
    rng = np.random.default_rng(2)
    first, second = rng.uniform(0.1, 1, (2, len(mesh.elements)))
    if dimensions == 2:
        theirs = skfem.MeshTri(mesh.points.T, mesh.elements.T)
        linear, constant = skfem.ElementTriP1(), skfem.ElementTriP0()
    else:
        theirs = skfem.MeshTet(mesh.points.T, mesh.elements.T)
        linear, constant = skfem.ElementTetP1(), skfem.ElementTetP0()

    @skfem.BilinearForm
    def diffusion(u, v, w):
        return w.second * dot(grad(u), grad(v))

    @skfem.BilinearForm
    def elasticity(u, v, w):
        strain = sym_grad(u)
        stress = 2 * w.second * strain + w.first * eye(trace(strain), dimensions)
        return ddot(stress, sym_grad(v))

    for ours, form, element in (
        (diffusion_matrix(mesh.points, mesh.elements, second), diffusion, linear),
        (
            elasticity_matrix(mesh.points, mesh.elements, first, second),
            elasticity, skfem.ElementVector(linear),
        ),
    ):  # fmt: skip
        basis = skfem.Basis(theirs, element)
        steps = basis.with_element(constant)
        expected = form.assemble(
            basis, first=steps.interpolate(first), second=steps.interpolate(second)
        )
        np.testing.assert_allclose(ours.toarray(), expected.toarray(), rtol=0, atol=1e-14)


def test_flat_elements_are_refused():
    with pytest.raises(MatrixError, match="element 0 has no area"):
        diffusion_matrix(np.array([[0.0, 0], [1, 1], [2, 2]]), np.array([[0, 1, 2]]), np.ones(1))


@pytest.mark.parametrize(("dimensions", "jitter"), [(2, 0.249), (3, 0.166)])
def test_jittered_cells_keep_their_orientation(dimensions, jitter):
    straight, _ = box(dimensions, 5, 0.0)
    bent, _ = box(dimensions, 5, jitter)
    determinants = [
        np.linalg.det(m.points[m.elements][:, 1:] - m.points[m.elements][:, :1])
        for m in (straight, bent)
    ]
    assert np.all(determinants[0] * determinants[1] > 0)
    assert np.abs(determinants[1]).sum() == pytest.approx(np.abs(determinants[0]).sum())


def test_node_means():
    elements = np.array([[0, 1, 2], [1, 2, 3]])
    means = node_means(4, elements, np.array([1.0, 4.0]))
    np.testing.assert_array_equal(means, [1, 2.5, 2.5, 4])


def test_stiffness_is_graded_from_void_to_material():
    density = np.random.default_rng(3).normal(size=10_000)
    young = graded_stiffness(density, 0.3, 1e-6)
    assert 1e-6 < young.min() < 2e-6
    assert 0.99 < young.max() < 1.0
    assert np.mean(young > 0.125) == pytest.approx(0.3, abs=1e-3)
