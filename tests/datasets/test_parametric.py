"""Families of matrices as datasets: drawing, labels, facts, geometry, resuming."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.loader import DataLoader

from precondbench import ParametricInvK, evaluate, ic0, invk
from precondbench.datasets import geometry_features
from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices import (
    DiscreteSystem,
    Parameter,
    ParametricFamily,
    UniformStream,
    near_null_vectors,
)
from precondbench.quality import MAXITER, problem_of
from precondbench.recipes.building.drawn import draw_all, part_of
from precondbench.recipes.building.systems import COMPARED
from precondbench.recipes.parametric import SPLITS, Draws, draw_tasks, splits_of
from precondbench.shards import record_digest
from toy_family import TOY, grid


@pytest.fixture(scope="module")
def toys():
    return ParametricInvK.generate(TOY, n=100, count=6, geometry=True)


def test_a_draw_depends_on_its_number_only(toys):
    fewer = ParametricInvK.generate(TOY, n=100, count=2)
    assert toys.shard.record_digests[:2] == fewer.shard.record_digests
    assert len(set(toys.shard.record_digests)) == len(toys)
    other = ParametricInvK.generate(TOY, n=100, count=2, seed=1)
    assert set(other.shard.record_digests).isdisjoint(toys.shard.record_digests)


def test_parameters_are_drawn_or_given(toys):
    spreads = [toys.facts(i)["spread"] for i in range(len(toys))]
    assert len(set(spreads)) == len(spreads)
    assert all(0.5 <= spread <= 50.0 for spread in spreads)
    fixed = ParametricInvK.generate(TOY, n=64, count=2, spread=3.0)
    assert [fixed.facts(i)["spread"] for i in range(2)] == [3.0, 3.0]
    ranged = ParametricInvK.generate(TOY, n=64, count=5, spread=(1.0, 10.0))
    assert all(1.0 <= ranged.facts(i)["spread"] <= 10.0 for i in range(5))
    with pytest.raises(ConfigurationError, match=r"no parameter 'spreed'; .*did you mean"):
        ParametricInvK.generate(TOY, n=64, count=1, spreed=1.0)
    with pytest.raises(ConfigurationError, match="no family 'difusion-2d'"):
        ParametricInvK.generate("difusion-2d")
    with pytest.raises(ConfigurationError, match="count 0"):
        ParametricInvK.generate(TOY, count=0)


def test_decades_are_equally_likely():
    stream = UniformStream(1)
    parameter = Parameter(1.0, 1e6, "Contrast.", decades=True)
    drawn = np.array([parameter.draw(stream) for _ in range(6000)])
    assert drawn.min() >= 1.0
    assert drawn.max() < 1e6
    shares = np.histogram(np.log10(drawn), bins=6, range=(0, 6))[0] / drawn.size
    assert np.all(abs(shares - 1 / 6) < 0.02)


def test_labels_and_facts_are_those_of_the_factors(toys):
    for i in range(len(toys)):
        pair, facts = toys.pair(i), toys.facts(i)
        np.testing.assert_allclose(pair.L.toarray(), invk(pair.A).toarray(), rtol=1e-8, atol=1e-10)
        problem = problem_of(pair)
        for factor, name in ((pair.L, "invk"), (ic0(pair.A), "ic0")):
            assert problem.solve(problem.place(factor)).iterations == facts[f"iterations_{name}"]
        counts = [facts[f"iterations_{method}"] for method in COMPARED]
        assert facts["best_iterations"] == min(count for count in counts if count > 0)
        assert facts[f"iterations_{facts['best_method']}"] == facts["best_iterations"]
        assert pair.best == problem.target_iterations == facts["best_iterations"]
    assert evaluate(toys, ic0).target_iterations == tuple(
        toys.facts(i)["best_iterations"] for i in range(len(toys))
    )


def test_ic0_is_computed_when_it_is_asked_for(toys):
    labelled = ParametricInvK.generate(TOY, n=100, count=6, label="ic0")
    assert list(labelled.shard.labels) == ["invk"]
    for i in range(len(toys)):
        pair = labelled.pair(i)
        assert np.array_equal(pair.L.data, ic0(pair.A).data)


KERSHAW = np.array([[3.0, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3]])


def test_where_ic0_breaks_down():
    systems = [DiscreteSystem(sp.csr_array(KERSHAW)), DiscreteSystem(grid_of(16)[0].A)]
    both = ParametricInvK.of_systems("mine", systems)
    assert both.facts(0)["breakdown_column"] == 3
    assert both.facts(0)["iterations_ic0"] == -1
    assert both.facts(0)["best_iterations"] > 0
    assert len(both) == 2
    assert ParametricInvK.of_systems("mine", systems, label="ic0").names == ["mine-00001"]


def grid_of(n):
    return grid(UniformStream(5), n, {"spread": 1.0})


def test_a_split_whose_label_is_too_dear_has_targets_of_counts_alone():
    (cheap,) = draw_tasks(TOY, Draws(9, (64,), 3), (1,), "t", {})
    (dear,) = draw_tasks(TOY, Draws(9, (64,), 3), (1,), "t", {}, max_operations=1.0)
    known, bare = cheap.run(), dear.run()
    assert [record.labels["invk"] is None for record in bare] == [True] * 3
    for one, other in zip(known, bare, strict=True):
        assert np.array_equal(one.a, other.a)
        assert other.facts["iterations_invk"] == -1
        assert other.facts["best_method"] != "invk"
        assert other.facts["iterations_mic_950"] == one.facts["iterations_mic_950"]
    data = ParametricInvK._of("t", bare, {}, "invk", None, True)
    assert "y" not in data[0]
    assert data.pair(0).L is None
    found = evaluate(data, ic0)
    assert found.summary["solved"] == 1.0
    assert found.cosine == (None,) * 3
    assert found.iterations == tuple(record.facts["iterations_ic0"] for record in known)
    values = {data.names[i]: ic0(data.pair(i).A).data for i in range(3)}
    assert evaluate(data, values).summary["solved"] == 1.0


def test_a_failing_family_is_compared_with_the_limit():
    pair = ParametricInvK.of_systems("k", grid_of(16)).pair(0)
    from dataclasses import replace

    assert problem_of(replace(pair, best=-1)).target_iterations == MAXITER


def test_tasks_share_draws_out_and_finish_what_was_interrupted(tmp_path):
    draws = Draws(3, (36, 36, 64, 1024), 40)
    tasks = draw_tasks(TOY, draws, (7, 8), "toy-train")
    assert len(tasks) == 3
    whole = [record_digest(record) for record in draw_all(tasks)]
    assert len(set(whole)) == 40
    interrupted = draw_all(tasks, tmp_path)
    for _ in range(20):
        next(interrupted)
    interrupted.close()
    kept = sorted(tmp_path.glob("*.h5"))
    assert 1 <= len(kept) < 3
    part_of(tasks[0], tmp_path).write_bytes(b"damaged")
    with ThreadPoolExecutor(2) as executor:
        again = [record_digest(record) for record in draw_all(tasks, tmp_path, executor)]
    assert again == whole
    assert [record_digest(record) for record in draw_all(tasks, tmp_path)] == whole


def test_a_sequence_of_systems_is_one_group():
    def steps(stream, n, parameters):
        return [*grid(stream, n, parameters), *grid(stream, n, parameters)]

    family = ParametricFamily("steps", "Steps", 1, steps, "", TOY.parameters, systems_per_draw=2)
    data = ParametricInvK.generate(family, n=36, count=2)
    assert data.names == [f"steps-seed0-0000{i}-{k}" for i in (0, 1) for k in (0, 1)]
    assert data.shard.groups == [f"steps-seed0-0000{i}" for i in (0, 1) for k in (0, 1)]


def test_the_geometry_is_offered_and_the_default_is_the_matrix_alone(toys):
    plain = ParametricInvK.generate(TOY, n=100, count=2)[0]
    assert set(plain.keys()) == {"x", "edge_index", "edge_attr", "y", "lower_mask", "name"}
    graph, known = toys[0], toys.geometry(0)
    assert torch.equal(graph.x, plain.x)
    for name in ("pos", "coefficients", "near_null"):
        np.testing.assert_allclose(graph[name].numpy(), known[name], rtol=1e-6)
    assert graph.h.item() == pytest.approx(0.1)
    # The near null vector of the served system S A S is S^-1 1.
    scale = 1.0 / known["near_null"][:, 0]
    raw = ParametricInvK("toy", "all", version="generated", scaled=False, shard=toys.shard).pair(0)
    np.testing.assert_array_equal(
        toys.pair(0).A.toarray(), scale[:, None] * raw.A.toarray() * scale
    )
    batch = next(iter(DataLoader(toys, batch_size=3)))
    assert batch.pos.shape == (300, 2)
    assert batch.h.shape == (3,)


def test_methods_get_the_geometry(toys):
    class Method:
        def setup(self, A, context):
            assert context.geometry["pos"].shape == (A.shape[0], 2)
            return ic0(A)

    assert evaluate(toys, Method()).summary["solved"] == 1.0


def test_features_of_nodes_and_edges(toys):
    graph = toys[0]
    wide = geometry_features(graph)
    assert graph.x.shape[1] == 1
    assert wide.x.shape == (100, 4)
    assert wide.edge_attr.shape[1] == 4
    source, target = graph.edge_index
    torch.testing.assert_close(wide.edge_attr[:, 2:], graph.pos[target] - graph.pos[source])
    torch.testing.assert_close(wide.x[:, 3], torch.full((100,), np.log(0.1)).float())
    with pytest.raises(ConfigurationError, match="geometry=True"):
        geometry_features(ParametricInvK.generate(TOY, n=36, count=1)[0])


def test_rigid_motions():
    xy = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    plane = near_null_vectors("rigid", 6, xy)
    assert plane.shape == (6, 3)
    space = near_null_vectors("rigid", 9, np.column_stack([xy, [0.0, 0.0, 1.0]]))
    assert space.shape == (9, 6)
    assert np.linalg.matrix_rank(space) == 6
    # The strain of a rotation is zero: displacements are orthogonal to differences of positions.
    for vectors, positions in ((plane, xy), (space, np.column_stack([xy, [0.0, 0.0, 1.0]]))):
        for mode in vectors.T:
            moved = mode.reshape(positions.shape)
            for i in range(3):
                for j in range(3):
                    assert abs((moved[i] - moved[j]) @ (positions[i] - positions[j])) < 1e-12


def test_elasticity_needs_coordinates_of_its_dimension():
    with pytest.raises(MatrixError, match="rigid motions need coordinates"):
        DiscreteSystem(sp.csr_array(np.eye(4)), unknowns=2, near_null_space="rigid")
    with pytest.raises(MatrixError, match="cannot have 3 unknowns"):
        DiscreteSystem(sp.csr_array(np.eye(4)), unknowns=3)
    with pytest.raises(MatrixError, match="have shape"):
        DiscreteSystem(sp.csr_array(np.eye(4)), coordinates=np.zeros((3, 2)))
    with pytest.raises(MatrixError, match="near_null_space is"):
        DiscreteSystem(sp.csr_array(np.eye(4)), near_null_space="rigide")


def test_files(tmp_path, toys):
    digest = toys.save(tmp_path / "toys.h5")
    back = ParametricInvK.from_shard(tmp_path / "toys.h5", geometry=True)
    assert back.shard.content_digest == digest
    assert back.facts(3) == toys.facts(3)
    assert torch.equal(back[3].pos, toys[3].pos)


def test_an_axis_without_a_parameter_has_no_split():
    assert set(SPLITS) - set(splits_of(TOY)) == {"test_mesh"}
    assert splits_of(TOY)["test_contrast"].given(TOY) == {"spread": 500.0}
    assert splits_of(TOY)["train"].given(TOY) == {}


def test_names_are_checked():
    with pytest.raises(ConfigurationError, match="no label 'best'"):
        ParametricInvK(label="best")
    with pytest.raises(ConfigurationError, match="no configuration 'test'"):
        ParametricInvK("test")


def test_a_published_split_is_built_and_opened(tmp_path):
    data = ParametricInvK("jumps-2d", "test_mesh", root=tmp_path)
    assert (len(data), data[0].y.dtype) == (50, torch.float64)
    assert [data.facts(i)["stretching"] for i in range(50)] == [8.0] * 50
    # Parts of the build are gone.
    assert not [path for path in (tmp_path / "parts").rglob("*") if path.is_file()]
    again = ParametricInvK("jumps-2d", "test_mesh", label="ic0", root=tmp_path)
    assert again.names == data.names
