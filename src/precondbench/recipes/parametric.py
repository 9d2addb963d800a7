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
# Draws of all families, for one model that learns them all.
MIXED = "mixed"


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
_MIXED_ROWS = (256, 1024, 4096)
_MIXED_SPLITS = {"train": Draws(10, _MIXED_ROWS, 45), "val": Draws(11, _MIXED_ROWS, 15)}
# A split that is trained on needs all labels; some matrices of 4096 rows fill up.
_MIXED_OPERATIONS = 1e11
# What all families know of a matrix.
_COMMON_FACTS = ("unknowns", "h", "breakdown_column", "best_iterations", "best_method")
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
    """Every family is a configuration; another has draws of all of them."""

    @property
    def configurations(self) -> tuple[str, ...]:
        """Names of the families, and ``mixed``."""
        return (*FAMILIES, MIXED)

    def splits(self, configuration: str) -> dict[str, int]:
        """Number of records of each split."""
        return {
            split: sum(draws.count * family.systems_per_draw for family, draws in parts)
            for split, parts in _parts(configuration).items()
        }

    def title(self, configuration: str, split: str) -> str:
        """Family, and what is special about the split."""
        family, draws = _parts(configuration)[split][0]
        axis = f", other {draws.axis}" if draws.axis else ""
        title = "All families" if configuration == MIXED else family.title
        return f"{title}, n = {draws.rows[-1]:,}{axis}"

    def recipe(self, configuration: str, split: str) -> dict[str, object]:
        """Everything that determines a split, as JSON."""
        recipes = [
            _recipe(family, draws, _entropy(family, draws), draws.given(family))
            for family, draws in _parts(configuration)[split]
        ]
        if configuration != MIXED:
            return recipes[0]
        for recipe in recipes:
            recipe["max_operations"] = _MIXED_OPERATIONS
        return {"kind": "parametric-mixed", "families": recipes}

    def records(self, configuration: str, split: str, context: BuildContext) -> Iterator[Record]:
        """Draw and label the records; finished parts are kept until the split is written."""
        from precondbench.recipes.building.drawn import draw_all

        mixed = configuration == MIXED
        tasks = [
            task
            for family, draws in _parts(configuration)[split]
            for task in draw_tasks(
                family,
                draws,
                _entropy(family, draws),
                f"{configuration}-{split}" + (f"-{family.name}" if mixed else ""),
                max_operations=_MIXED_OPERATIONS if mixed else None,
            )
        ]
        parts = context.parts_of(PARAMETRIC, PARAMETRIC_VERSION, configuration, split)
        records = draw_all(tasks, parts, context.executor)
        yield from (_common(record) for record in records) if mixed else records


def _parts(configuration: str) -> dict[str, list[tuple[ParametricFamily, Draws]]]:
    """Families and their draws, for every split of a configuration."""
    if configuration != MIXED:
        family = parametric_family(configuration)
        return {split: [(family, draws)] for split, draws in splits_of(family).items()}
    return {
        split: [
            (family, replace(draws, count=draws.count // family.systems_per_draw))
            for family in FAMILIES.values()
        ]
        for split, draws in _MIXED_SPLITS.items()
    }


def _common(record: Record) -> Record:
    """A record without what only some families have, for a shard of all families."""
    facts = {
        key: value
        for key, value in record.facts.items()
        if key in _COMMON_FACTS or key.startswith("iterations_")
    }
    return replace(record, geometry={}, facts=facts)


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
