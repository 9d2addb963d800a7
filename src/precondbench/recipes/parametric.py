"""Recipe of the parametric benchmark: thousands of matrices of one family, with Inv-K and facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from precondbench.matrices import FAMILIES, Given, ParametricFamily, parametric_family
from precondbench.recipes.spec import BuildContext, DatasetSpec, Version
from precondbench.shards import Record

if TYPE_CHECKING:
    from precondbench.recipes.building.drawn import DrawTask

PARAMETRIC = "parametric"
PARAMETRIC_VERSION = "1.0"
SEED = 20261129
# Stream of what users draw themselves.
GENERATED_DRAWS = 99


@dataclass(frozen=True)
class Draws:
    """The draws of a split: draw i has about ``rows[i % len(rows)]`` rows."""

    stream: int
    rows: tuple[int, ...]
    count: int
    axis: str = ""

    def given(self, family: ParametricFamily) -> Mapping[str, Given]:
        """Parameters that differ from those of training."""
        return family.axes[self.axis] if self.axis else {}


_SMALL = (256, 576, 1024)
SPLITS: dict[str, Draws] = {
    "train": Draws(0, _SMALL, 1000),
    "val": Draws(1, _SMALL, 200),
    "test": Draws(2, (1024,), 200),
    "test_large": Draws(3, (16_384,), 24),
    "test_huge": Draws(4, (102_400,), 4),
    "test_contrast": Draws(5, (1024,), 50, "contrast"),
    "test_mesh": Draws(6, (1024,), 50, "mesh"),
}
# Draws of families whose splits would take more than 150 MB or some minutes, or that have several
# systems a draw.
_COUNTS: dict[str, dict[str, int]] = {
    "anisotropic-2d": {"test_large": 10, "test_huge": 2},
    "mesh-2d": {"test_large": 16, "test_huge": 2},
    "elasticity-2d": {"test_large": 10, "test_huge": 2},
    "elasticity-3d": {
        "train": 500,
        "val": 100,
        "test": 100,
        "test_large": 10,
        "test_huge": 2,
        "test_contrast": 25,
        "test_mesh": 25,
    },
    "graph": {"test_large": 20, "test_huge": 2},
    "sequence": {
        "train": 200,
        "val": 40,
        "test": 40,
        "test_large": 4,
        "test_huge": 1,
        "test_contrast": 10,
        "test_mesh": 10,
    },
    "random-spd": {"test_large": 10, "test_huge": 2, "test_contrast": 25, "test_mesh": 25},
}
_ROWS: dict[str, dict[str, tuple[int, ...]]] = {
    "elasticity-3d": dict.fromkeys(("train", "val"), (192, 375, 648)),
    # The size of NeuralIF's matrices.
    "random-spd": {"test_large": (10_000,)},
}
# Most entries of tril(A) a row, on average over a split; a bound of what a file can take.
_ENTRIES = {
    "diffusion-2d": 3,
    "jumps-2d": 3,
    "anisotropic-2d": 5,
    "mesh-2d": 5,
    "diffusion-3d": 4,
    "elasticity-2d": 8,
    "elasticity-3d": 24,
    "graph": 10,
    "sequence": 3,
}
_MOST_ENTRIES = 24


def splits_of(family: ParametricFamily) -> dict[str, Draws]:
    """Draws of every split of a family; an axis that it does not have has no split."""
    rows, counts = _ROWS.get(family.name, {}), _COUNTS.get(family.name, {})
    return {
        split: replace(
            draws, rows=rows.get(split, draws.rows), count=counts.get(split, draws.count)
        )
        for split, draws in SPLITS.items()
        if not draws.axis or draws.axis in family.axes
    }


def _tracks(family: ParametricFamily) -> tuple[str, ...]:
    return tuple(split for split in splits_of(family) if split.startswith("test"))


def draw_tasks(
    family: ParametricFamily,
    draws: Draws,
    entropy: Sequence[int],
    prefix: str,
    given: Mapping[str, Given] | None = None,
    max_operations: float | None = None,
) -> list[DrawTask]:
    """Cut the draws of a split into tasks of about equal work."""
    from precondbench.recipes.building.drawn import DrawTask
    from precondbench.recipes.building.systems import MAX_OPERATIONS

    given = draws.given(family) if given is None else given
    size = max(1, 16 * max(_SMALL) // max(draws.rows))
    return [
        DrawTask(
            family,
            tuple(draws.rows[i % len(draws.rows)] for i in range(first, last)),
            first,
            tuple(entropy),
            prefix,
            tuple(sorted(given.items())),
            MAX_OPERATIONS if max_operations is None else max_operations,
        )
        for first in range(0, draws.count, size)
        for last in (min(first + size, draws.count),)
    ]


def draw_records(
    family: ParametricFamily, n: int, seed: int, count: int, given: Mapping[str, Given]
) -> tuple[Iterator[Record], dict[str, object]]:
    """Draw and label systems, with their recipe; each depends on all but ``count`` only."""
    from precondbench.recipes.building.drawn import draw_all

    draws = Draws(GENERATED_DRAWS, (n,), count)
    entropy = (seed, family.stream, GENERATED_DRAWS, n)
    tasks = draw_tasks(family, draws, entropy, f"{family.name}-seed{seed}", given)
    return draw_all(tasks), _recipe(family, draws, entropy, given)


def _recipe(
    family: ParametricFamily, draws: Draws, entropy: Sequence[int], given: Mapping[str, Given]
) -> dict[str, object]:
    """Everything that determines draws, as JSON."""
    from precondbench.recipes.building.systems import MAX_OPERATIONS, RELAXATIONS

    return {
        "kind": "parametric",
        "family": family.name,
        "description": family.description,
        "rows": list(draws.rows),
        "draws": draws.count,
        "systems_per_draw": family.systems_per_draw,
        "entries_a_row": _ENTRIES.get(family.name, _MOST_ENTRIES),
        "parameters": {
            name: parameter.recipe(given.get(name)) for name, parameter in family.parameters.items()
        },
        "entropy": list(entropy),
        "relaxations": list(RELAXATIONS),
        "max_operations": MAX_OPERATIONS,
        "scaling": "power-of-two",
    }


@dataclass(frozen=True)
class ParametricBuilder:
    """Every family is a configuration."""

    @property
    def configurations(self) -> tuple[str, ...]:
        """Names of the families."""
        return tuple(FAMILIES)

    def splits(self, configuration: str) -> dict[str, int]:
        """Number of records of each split."""
        family = parametric_family(configuration)
        return {
            split: draws.count * family.systems_per_draw
            for split, draws in splits_of(family).items()
        }

    def title(self, configuration: str, split: str) -> str:
        """Family, and what is special about the split."""
        family = parametric_family(configuration)
        draws = splits_of(family)[split]
        axis = f", other {draws.axis}" if draws.axis else ""
        return f"{family.title}, n = {draws.rows[-1]:,}{axis}"

    def recipe(self, configuration: str, split: str) -> dict[str, object]:
        """Everything that determines a split, as JSON."""
        family = parametric_family(configuration)
        draws = splits_of(family)[split]
        return _recipe(family, draws, _entropy(family, draws), draws.given(family))

    def records(self, configuration: str, split: str, context: BuildContext) -> Iterator[Record]:
        """Draw and label the records; finished parts are kept until the split is written."""
        from precondbench.recipes.building.drawn import draw_all

        family = parametric_family(configuration)
        draws = splits_of(family)[split]
        tasks = draw_tasks(family, draws, _entropy(family, draws), f"{configuration}-{split}")
        parts = context.parts_of(PARAMETRIC, PARAMETRIC_VERSION, configuration, split)
        yield from draw_all(tasks, parts, context.executor)


def _entropy(family: ParametricFamily, draws: Draws) -> tuple[int, int, int]:
    return SEED, family.stream, draws.stream


SPECS = (
    DatasetSpec(
        name=PARAMETRIC,
        title="Parametric",
        versions=(
            Version(
                PARAMETRIC_VERSION,
                "SPD matrices of parametric families, with Inv-K on the pattern of tril(A): "
                f"{', '.join(FAMILIES)}",
                ParametricBuilder(),
                "Apache-2.0",
                {name: splits for name, family in FAMILIES.items() if (splits := _tracks(family))},
            ),
        ),
        labels=("invk", "ic0"),
        default_configuration="diffusion-2d",
        served_by="ParametricInvK",
        batch_size=16,
    ),
)
