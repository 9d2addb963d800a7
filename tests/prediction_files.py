"""Prediction files for tests: HDF5 as written up to version 0.1, and invalid values."""

from dataclasses import fields

import safetensors
import safetensors.numpy

from precondbench.shards import PredictionFile, read_predictions
from precondbench.shards.hdf5 import new_file, write_attributes


def as_hdf5(path, target=None):
    """Write what a file of predictions holds in the old form, and return the new path."""
    found = read_predictions(path)
    target = path.with_suffix(".h5") if target is None else target
    names = [item.name for item in fields(PredictionFile) if item.name != "seeds"]
    with new_file(target) as file:
        attributes = {"format": "precondbench-predictions", "format_version": 1}
        write_attributes(file, attributes | {name: getattr(found, name) for name in names})
        for seed, values in found.seeds.items():
            file.create_dataset(
                f"seed_{seed}", data=values, compression="gzip", shuffle=True, fletcher32=True,
                track_times=False,
            )  # fmt: skip
    return target


def with_values(path, values):
    """Replace the values of seed 0."""
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    safetensors.numpy.save_file({"seed_0": values}, path, metadata)
