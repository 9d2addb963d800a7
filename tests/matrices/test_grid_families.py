"""Families on regular grids: their discretisations and their matrices."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

from precondbench import ic0, pcg
from precondbench.errors import ConfigurationError
from precondbench.matrices import FAMILIES, UniformStream, check_spd_candidate, matrix_digest
from precondbench.matrices.families.grids import rotated_tensor
from precondbench.matrices.families.tensor_grids import (
    bilinear_elements,
    centres,
    finite_volumes,
    graded,
    grid_points,
    side_of,
    volumes,
)

NAMES = ("diffusion-2d", "jumps-2d", "anisotropic-2d", "diffusion-3d", "sequence")
# Of the last system from stream (number of the family, 0), n = 256: A, coordinates, coefficients.
DIGESTS = {
    "diffusion-2d": "78367696405fbd25",
    "jumps-2d": "ab22c4b624c21c3c",
    "anisotropic-2d": "2d06a79e5e7c2ebe",
    "diffusion-3d": "c1f1a3500de7177e",
    "sequence": "44826379169a2d98",
}


def drawn(name, n=256, *, seed=0, **given):
    family = FAMILIES[name]
    return family.draw(UniformStream(family.stream, seed), n, given)


# Schemes


def test_the_grid():
    assert [side_of(n, 2) for n in (1, 256, 1000, 100_000)] == [2, 16, 32, 316]
    assert [side_of(n, 3) for n in (1000, 16_000, 100_000)] == [10, 25, 46]
    for parts, stretching in ((7, 1.0), (100, 8.0)):
        edges = graded(parts, stretching)
        widths = np.diff(edges)
        assert edges[0] == 0.0
        assert edges[-1] == 1.0
        assert widths[-1] / widths[0] == pytest.approx(stretching)
        np.testing.assert_allclose(
            np.diff(widths), (widths[-1] - widths[0]) / (parts - 1), atol=1e-14
        )
    assert volumes([graded(5, 3.0), graded(4, 2.0)]).sum() == pytest.approx(1.0)


def test_finite_volumes_of_poisson_by_hand(poisson_2d):
    """The boundary is half a cell away: 1 more on the diagonal for each side a cell touches."""
    m = 6
    A = finite_volumes(np.ones((m, m)), [graded(m)] * 2)
    ends = np.zeros(m)
    ends[[0, -1]] = 1.0
    extra = np.add.outer(ends, ends).ravel()
    assert abs(A - (poisson_2d(m) + sp.diags_array(extra))).max() < 1e-14


def test_finite_volumes_are_resistors_in_series():
    """In one dimension u at the source is that of two resistors, whatever the jumps and widths."""
    rng = np.random.default_rng(0)
    edges = np.concatenate(([0.0], np.cumsum(rng.uniform(0.1, 1.0, 9))))
    k = 10.0 ** rng.uniform(-3, 3, 9)
    A = finite_volumes(k, [edges])
    resistance = np.diff(edges) / k
    for cell in range(9):
        left = resistance[:cell].sum() + resistance[cell] / 2
        right = resistance[cell + 1 :].sum() + resistance[cell] / 2
        u = spsolve(A.tocsc(), np.eye(9)[cell])
        assert u[cell] == pytest.approx(left * right / (left + right), rel=1e-10)


def test_bilinear_elements_of_poisson_by_hand():
    """The stencil 8/3 and eight times -1/3."""
    shape = (7, 7)
    tensor = (np.ones(shape), np.zeros(shape), np.ones(shape))
    A = bilinear_elements(tensor, [graded(7)] * 2)
    row = A[[14]].toarray().reshape(6, 6)
    expected = np.zeros((6, 6))
    expected[1:4, 1:4] = -1.0 / 3.0
    expected[2, 2] = 8.0 / 3.0
    assert np.abs(row - expected).max() < 1e-15


def random_tensor(shape, seed=0):
    rng = np.random.default_rng(seed)
    turn, ratio = rng.uniform(-1, 1, shape), 10.0 ** rng.uniform(0, 3, shape)
    return rotated_tensor((0.6, 0.8), turn, ratio)


def test_bilinear_elements_against_scikit_fem():
    """The same matrix on a stretched grid with a tensor that differs from element to element."""
    skfem = pytest.importorskip("skfem", reason="scikit-fem is not installed")
    edges = [graded(5, 3.0), graded(4, 2.0)]
    tensor = random_tensor((5, 4))
    mesh = skfem.MeshQuad.init_tensor(*edges)
    middle = mesh.p[:, mesh.t].mean(axis=1)
    place = tuple(
        np.searchsorted(ends, along) - 1 for ends, along in zip(edges, middle, strict=True)
    )
    basis = skfem.Basis(mesh, skfem.ElementQuad1())
    a, b, c = (part[place][:, None] for part in tensor)

    @skfem.BilinearForm
    def form(u, v, w):
        x, y = u.grad
        return (a * x + b * y) * v.grad[0] + (b * x + c * y) * v.grad[1]

    theirs = form.assemble(basis).toarray()
    ours = bilinear_elements(tensor, edges, boundary=False).toarray()
    vertex = [
        int(np.argmin(np.abs(mesh.p - point[:, None]).sum(axis=0))) for point in grid_points(edges)
    ]
    np.testing.assert_allclose(ours, theirs[np.ix_(vertex, vertex)], atol=1e-13)
    inner = bilinear_elements(tensor, edges).toarray()
    keep = np.arange(30).reshape(6, 5)[1:-1, 1:-1].ravel()
    assert np.array_equal(inner, ours[np.ix_(keep, keep)])


def free(scheme, edges):
    """The matrix without a boundary condition, 6 cells a side with very different coefficients."""
    if scheme == "elements":
        return bilinear_elements(random_tensor((6, 6)), [edges] * 2, boundary=False)
    dimensions = int(scheme[-2])
    k = 10.0 ** np.random.default_rng(1).uniform(-3, 3, (6,) * dimensions)
    return finite_volumes(k, [edges] * dimensions, boundary=False)


@pytest.mark.parametrize("stretching", [1.0, 8.0])
@pytest.mark.parametrize("scheme", ["volumes-2d", "volumes-3d", "elements"])
def test_without_a_boundary_only_constants_have_no_energy(scheme, stretching):
    A = free(scheme, graded(6, stretching))
    assert np.abs(A @ np.ones(A.shape[0])).max() < 1e-13 * abs(A).max()
    values = np.linalg.eigvalsh(A.toarray())
    assert abs(values[0]) < 1e-13 * values[-1]
    assert values[1] > 1e-11 * values[-1]


def test_bilinear_elements_pass_the_patch_test():
    """A constant tensor and a linear function: no residual inside, on any tensor grid."""
    edges = [graded(6, 5.0), graded(4, 2.0)]
    A = bilinear_elements(
        tuple(np.full((6, 4), value) for value in (2.0, 0.7, 1.0)), edges, boundary=False
    )
    x, y = grid_points(edges).T
    residual = (A @ (1.0 + 2.0 * x - 3.0 * y)).reshape(7, 5)
    assert np.abs(residual[1:-1, 1:-1]).max() < 1e-14


def solved(A, b):
    return pcg(A, b, ic0(A), rtol=1e-11).x


def volume_error(m, dimensions, stretching):
    """Error of finite volumes for u = prod sin(pi x) and a coefficient that varies."""
    edges = [graded(m, stretching)] * dimensions
    points = grid_points([centres(ends) for ends in edges])
    slopes = np.array([1.0, 2.0, -1.0])[:dimensions]
    k = np.exp(points @ slopes)
    waves, cosines = np.sin(np.pi * points), np.cos(np.pi * points)
    u = waves.prod(axis=1)
    source = dimensions * np.pi**2 * u
    for axis in range(dimensions):
        others = np.delete(waves, axis, axis=1).prod(axis=1)
        source -= slopes[axis] * np.pi * cosines[:, axis] * others
    cells = np.broadcast_to(volumes(edges), (m,) * dimensions).ravel()
    A = finite_volumes(k.reshape((m,) * dimensions), edges)
    return np.sqrt((cells * (solved(A, cells * k * source) - u) ** 2).sum())


def element_error(m, stretching):
    """Error of bilinear elements, u = sin(pi x) sin(pi y) and a full tensor that varies."""
    edges = [graded(m, stretching)] * 2

    def tensor(x, y):
        return np.exp(x), 0.4 * np.sin(x * y), 1.0 + y * y

    axes = [centres(ends) for ends in edges]
    A = bilinear_elements(tensor(*np.meshgrid(*axes, indexing="ij")), edges)
    x, y = grid_points([ends[1:-1] for ends in edges]).T
    k_xx, k_xy, k_yy = tensor(x, y)
    sx, cx, sy, cy = (f(np.pi * t) for t in (x, y) for f in (np.sin, np.cos))
    u, mixed = sx * sy, np.pi**2 * cx * cy
    d_x, d_y = np.pi * cx * sy, np.pi * sx * cy
    flux = k_xx * d_x - k_xx * np.pi**2 * u + 0.4 * y * np.cos(x * y) * d_y + k_xy * mixed
    flux += 0.4 * x * np.cos(x * y) * d_x + k_xy * mixed + 2.0 * y * d_y - k_yy * np.pi**2 * u
    half = [0.5 * (ends[2:] - ends[:-2]) for ends in edges]
    cells = np.outer(*half).ravel()
    return np.sqrt((cells * (solved(A, -cells * flux) - u) ** 2).sum())


@pytest.mark.parametrize("stretching", [1.0, 8.0])
@pytest.mark.parametrize(
    ("error", "sizes"),
    [
        (lambda m, s: volume_error(m, 2, s), (16, 32, 64)),
        (lambda m, s: volume_error(m, 3, s), (6, 12, 24)),
        (element_error, (16, 32, 64)),
    ],
    ids=["volumes-2d", "volumes-3d", "elements"],
)
def test_the_order_is_two(error, sizes, stretching):
    errors = [error(m, stretching) for m in sizes]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert orders[-1] == pytest.approx(2.0, abs=0.15), (errors, orders)
    assert errors[-1] < 0.01


# Matrices


@pytest.mark.parametrize("given", [{}, {"stretching": 8.0}], ids=["regular", "stretched"])
@pytest.mark.parametrize("name", NAMES)
def test_systems_are_symmetric_positive_definite(name, given):
    for seed in range(3):
        for system in drawn(name, seed=seed, **given):
            A = system.A
            assert (A != A.T).nnz == 0
            assert A.has_canonical_format
            assert (A.data != 0.0).all()
            check_spd_candidate(A)
            scale = 1.0 / np.sqrt(A.diagonal())
            assert np.linalg.eigvalsh(A.toarray() * np.outer(scale, scale))[0] > 0.0
            assert system.near_null_space == "constant"
            assert system.coordinates.shape == (A.shape[0], 3 if name == "diffusion-3d" else 2)
            assert system.coefficients.shape[1] == len(FAMILIES[name].coefficients)
            assert ((system.coordinates > 0.0) & (system.coordinates < 1.0)).all()


@pytest.mark.parametrize("name", NAMES)
def test_digests(name):
    """The bits on every machine; with NUMBA_CPU_NAME=generic, too (nothing here is compiled)."""
    system = drawn(name)[-1]
    digest = hashlib.sha256(matrix_digest(system.A).encode())
    digest.update(system.coordinates.astype("<f8").tobytes())
    digest.update(system.coefficients.astype("<f8").tobytes())
    assert digest.hexdigest()[:16] == DIGESTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_axes_change_what_they_name(name):
    family = FAMILIES[name]
    plain = drawn(name, 400)[0]
    for axis in ("contrast", "mesh"):
        assert set(family.axes[axis]) <= set(family.parameters)
        other = drawn(name, 400, **family.axes[axis])[0]
        assert matrix_digest(other.A) != matrix_digest(plain.A)
    steps = np.diff(np.unique(other.coordinates[:, 0]))
    assert 4.0 < steps[-1] / steps[0] < 8.0
    for name_of, value in other.facts.items():
        assert value == (8.0 if name_of == "stretching" else plain.facts[name_of])


@pytest.mark.parametrize(("parameter", "axis"), [("variance", 10.0), ("contrast", (1e6, 1e9))])
def test_contrast_is_a_thousand_times_larger(parameter, axis):
    low, high = FAMILIES["diffusion-3d"].parameters[parameter].low, axis
    assert low < np.min(high)
    family = FAMILIES["diffusion-2d" if parameter == "variance" else "jumps-2d"]
    assert family.axes["contrast"][parameter] == axis
    if parameter == "variance":
        most = family.parameters["variance"].high
        assert np.exp(6 * (np.sqrt(axis) - np.sqrt(most))) == pytest.approx(1e3, rel=0.1)


def test_both_pictures_of_jumps():
    for picture, seed in ((0.0, 0), (1.0, 0), (1.0, 1)):
        system = drawn("jumps-2d", 1024, seed=seed, picture=picture, contrast=1e6)[0]
        k = system.coefficients.ravel()
        assert 1e-6 <= k.min() <= k.max() <= 1e6 * (1 + 1e-9)
        assert np.unique(k).size == 2 if picture else np.unique(k).size > 3
        assert 1e3 < k.max() / k.min() <= 1e6 * (1 + 1e-9)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"variance": -1.0}, "variance is -1.0; give a positive finite number"),
        ({"stretching": 0.0}, "stretching is 0.0"),
        ({"variance": float("nan")}, "variance is nan"),
        ({"variance": (2.0, 1.0)}, "ends of a range"),
        ({"length": 1e-6}, "give a longer length"),
        ({"lenght": 1.0}, "did you mean"),
    ],
)
def test_parameters_that_cannot_be(given, words):
    with pytest.raises(ConfigurationError, match=words):
        drawn("diffusion-2d", **given)


def test_ranges_drawn_by_decades():
    for given in ((1.0, 500.0), (0.0, 10.0)):
        with pytest.raises(ConfigurationError, match="contrast is"):
            drawn("jumps-2d", contrast=given)
    assert 1e3 <= drawn("jumps-2d", contrast=(1e3, 1e5))[0].facts["contrast"] < 1e5


def test_pictures_in_three_dimensions():
    counts = [
        np.unique(drawn("diffusion-3d", 1000, picture=picture)[0].coefficients).size
        for picture in (0.0, 1.0, 2.0)
    ]
    assert counts[0] == 1000
    assert 8 <= counts[1] < 1000 or counts[1] == 1000
    assert counts[2] == 2


def test_a_field_is_the_same_on_every_size():
    """Where cells of two sizes have the same centre, so does the coefficient."""
    coarse = drawn("diffusion-2d", 15 * 15)[0].coefficients.reshape(15, 15)
    fine = drawn("diffusion-2d", 45 * 45)[0].coefficients.reshape(45, 45)
    np.testing.assert_allclose(fine[1::3, 1::3], coarse, rtol=1e-12)


def test_directions_cover_the_half_circle():
    angles = []
    for position in np.linspace(0.0, 1.0, 41)[:-1]:
        system = drawn("anisotropic-2d", 16, direction=position, turn=0.0, ratio=100.0)[0]
        k_xx, k_xy, k_yy = system.coefficients[0]
        values, vectors = np.linalg.eigh([[k_xx, k_xy], [k_xy, k_yy]])
        assert values == pytest.approx([0.01, 1.0])
        angles.append(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
        assert np.ptp(system.coefficients, axis=0) == pytest.approx(0.0)
    gaps = np.diff(np.sort(np.mod(angles, 180.0)))
    assert 3.5 < gaps.min() < gaps.max() < 5.5
    turning = drawn("anisotropic-2d", 400, turn=1.0, ratio=100.0)[0].coefficients
    assert np.ptp(turning[:, 0]) > 0.5


def test_a_sequence_is_a_heat_equation_whose_coefficient_moves():
    systems = drawn("sequence", 400, dt=0.01, drift=0.02)
    assert [system.facts["step"] for system in systems] == [0, 1, 2, 3, 4]
    for system in systems:
        k = system.coefficients.reshape(20, 20)
        stiffness = finite_volumes(k, [graded(20)] * 2)
        expected = sp.diags_array(np.full(400, 1.0 / 400)) + 0.01 * stiffness
        assert abs(system.A - expected).max() < 1e-14 * abs(system.A).max()
        assert np.array_equal(system.A.indices, systems[0].A.indices)
    logs = [np.log(system.coefficients.ravel()) for system in systems]
    near = [np.corrcoef(logs[0], other)[0, 1] for other in logs[1:]]
    assert 1.0 > near[0] > near[1] > near[2] > near[3]
    still = drawn("sequence", 400, drift=0.0)
    assert np.array_equal(still[0].A.data, still[4].A.data)


RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "precorrector_case.json"


@pytest.mark.skipif(not RESULT.is_file(), reason="benchmarks are not installed")
def test_the_data_of_precorrector():
    """IC(0) needs the published iterations within 10 % under their rule; one draw is repeated."""
    stored = json.loads(RESULT.read_text("utf-8"))
    published = stored["published"]["IC(0)"]
    assert stored["mean"]["absolute"]["IC(0)"] == pytest.approx(published, rel=0.1)
    family, case = FAMILIES["diffusion-2d"], stored["draws"][0]
    stream = UniformStream(family.stream, 77_000, 0, case["draws"] - 1)
    A = family.draw(stream, 256 * 256, {"variance": 1.1})[0].A * 256.0**2
    random = UniformStream(77_000, 0, 1)
    b, x0 = random.near_normal(256 * 256), random.near_normal(256 * 256)
    residual = b - A @ x0
    iterations = pcg(A, residual, ic0(A), rtol=1e-6 / np.linalg.norm(residual)).iterations
    assert iterations == pytest.approx(case["iterations"]["absolute"]["IC(0)"], abs=2)
