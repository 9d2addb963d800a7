"""Weights of the trained models on the board, and the models themselves."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from precondbench._internal import did_you_mean, read_text, replacing, verify_file
from precondbench.errors import CheckpointError, ConfigurationError
from precondbench.leaderboard.entries import Track, read_leaderboard, weights_path
from precondbench.leaderboard.submissions.schema import LARGEST_WEIGHTS
from precondbench.leaderboard.tracks import TRACKS, TrackName
from precondbench.shards import file_sha256

if TYPE_CHECKING:
    from precondbench.baselines import FactorModel

# Digests of all files of weights, in the form of the program sha256sum.
SUMS = "SHA256SUMS"


def load_pretrained(entry: str, seed: int = 0, fold: int | None = None) -> FactorModel:
    """Load a trained model of the leaderboard; its weights come with this package.

    Parameters
    ----------
    entry : str
        ``TRACK/ID`` of an entry, as the address of its page on the site has it; one of
        :func:`pretrained_names`. Tracks of one configuration have the same weights.
    seed : int
        Which of the entry's runs, see docs/submitting.md; fitted models have seed 0 only.
    fold : int, optional
        Of an entry on data in folds, which was trained once for each.

    Returns
    -------
    FactorModel
        In evaluation mode, on the CPU.

    Raises
    ------
    ConfigurationError
        If no entry with weights has that name, or it has no such seed or fold.
    CheckpointError
        If the file of weights is missing, or is not the one whose digest is stated.

    Examples
    --------
    >>> from precondbench import SyntheticTridiag, evaluate, load_pretrained
    >>> from precondbench.baselines import predict
    >>> model = load_pretrained("synthetic-tridiag-1.0-uniform-test/graphtransformer-4-rounds")
    >>> model.parameter_count()
    9169
    >>> data = SyntheticTridiag(split="test")[:20]
    >>> evaluate(data, predict(model, data)).summary["solved"]
    1.0
    """
    folder = _board() / "weights"
    known = _known(folder)
    if entry not in known:
        hint = did_you_mean(str(entry), known, cutoff=0.3)
        raise ConfigurationError(
            f"no entry with weights is called {entry!r}{hint} "
            "(precondbench.leaderboard.pretrained_names() lists all)"
        )
    seeds = known[entry]
    if seed not in seeds:
        there = ", ".join(map(str, sorted(seeds)))
        raise ConfigurationError(f"{entry} has weights of seed {there}, not of {seed!r}")
    models = load_weights(*seeds[seed])
    if (fold is None) != (len(models) == 1) or fold not in (None, *range(len(models))):
        advice = f"give fold=0 to {len(models) - 1}" if len(models) > 1 else "leave it out"
        raise ConfigurationError(f"fold is {fold!r}, but {entry} has {len(models)}; {advice}")
    return models[fold or 0]


def pretrained_names() -> list[str]:
    """Return the names of all entries with weights, sorted.

    Returns
    -------
    list of str
        What :func:`load_pretrained` accepts.

    Examples
    --------
    >>> from precondbench.leaderboard import pretrained_names
    >>> "synthetic-tridiag-1.0-uniform-test/mlp-4-rounds" in pretrained_names()
    True
    """
    return sorted(_known(_board() / "weights"))


def load_weights(path: str | Path, digest: str) -> list[FactorModel]:
    """Load the models of all folds, or the one model, from a file that must have this sha256."""
    from precondbench.baselines import load_models

    verify_file(Path(path), digest, CheckpointError, largest=LARGEST_WEIGHTS)
    return load_models(path)


def add_weights(
    folder: str | Path, track: Track | TrackName, entry: str, files: Mapping[int, Path]
) -> None:
    """Copy the weights of an entry, by seed, into a leaderboard, and write their digests anew."""
    for seed, source in files.items():
        with replacing(weights_path(folder, track, entry, seed)) as temporary:
            shutil.copyfile(source, temporary)
    if files:
        _write_sums(Path(folder) / "weights")


def prune_weights(folder: str | Path) -> list[Path]:
    """Remove the weights that no entry of a leaderboard states, and return their paths."""
    board = read_leaderboard(folder)
    wanted = {
        weights_path(folder, board.tracks[track], name, int(seed))
        for track, entries in board.entries.items()
        for name, entry in entries.items()
        for seed in entry.weights
    }
    root = Path(folder) / "weights"
    removed = sorted(set(root.glob("*/*/*.safetensors")) - wanted)
    for path in removed:
        path.unlink()
    for parent in {path.parent for path in removed}:
        if not any(parent.iterdir()):
            parent.rmdir()
    _write_sums(root)
    return removed


def sums_text(root: Path) -> str:
    """Return the text of the file of digests of a folder of weights."""
    return "".join(
        f"{file_sha256(path)}  {path.relative_to(root).as_posix()}\n"
        for path in sorted(root.glob("*/*/*.safetensors"))
    )


def _write_sums(root: Path) -> None:
    with replacing(root / SUMS) as temporary:
        temporary.write_text(sums_text(root), encoding="utf-8", newline="\n")


def _board() -> Path:
    """Folder of the leaderboard: in the package, or in the checkout that it is part of."""
    here = Path(__file__).resolve()
    return here.parent if (here.parent / "weights").is_dir() else here.parents[3] / "leaderboard"


def tracks_by_weights() -> dict[str, list[str]]:
    """Return the tracks that share weights, by the folder of these."""
    tracks: dict[str, list[str]] = {}
    for name in TRACKS:
        tracks.setdefault(weights_path("", name, "", 0).parts[1], []).append(name.id)
    return tracks


def _known(folder: Path) -> dict[str, dict[int, tuple[Path, str]]]:
    """Path and digest of the weights by entry (``TRACK/ID``) and seed."""
    tracks = tracks_by_weights()
    known: dict[str, dict[int, tuple[Path, str]]] = {}
    for line in read_text(folder / SUMS, CheckpointError).splitlines():
        digest, _, relative = line.partition("  ")
        data, entry, file = relative.split("/")
        seed = int(file.removeprefix("seed-").removesuffix(".safetensors"))
        for track in tracks.get(data, []):
            known.setdefault(f"{track}/{entry}", {})[seed] = (folder / relative, digest)
    return known
