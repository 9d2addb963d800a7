"""Damaged, foreign and malicious checkpoints, saved states and run folders."""

import json
import struct

import numpy as np
import pytest
import torch
from harness import Subject

from precondbench.baselines import (
    TrainingConfiguration,
    build_model,
    load_model,
    predict_factor,
    save_model,
    train,
)
from precondbench.errors import CheckpointError, ConfigurationError

MODELS = Subject(
    "Checkpoints and run folders",
    "safetensors: truncated, forged headers, foreign tensors, future formats, huge sizes; damaged "
    "states and results of a run, or those of another run",
    "a CheckpointError or ConfigurationError; no code is run, announced sizes are not allocated",
)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "checkpoint.safetensors"
    save_model(build_model("MLP", rounds=1), path)
    return path.read_bytes()


def described(content, **changes):
    """Return the file with another description, in a well-formed header."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    known = json.loads(header["__metadata__"]["precondbench"])
    for key, value in changes.items():
        known.pop(key) if value is ... else known.__setitem__(key, value)
    header["__metadata__"]["precondbench"] = json.dumps(known)
    return packed(header, content[8 + length :])


def packed(header, tensors=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tensors


def refused(name, change, fragment="is not a readable safetensors file", kind=CheckpointError):
    def run(bench):
        path = bench.file("m.safetensors", change(bench.fixture("checkpoint")))
        message = bench.refused(kind, fragment, lambda: load_model(path))
        assert "m.safetensors" in message or kind is ConfigurationError

    MODELS.add(name, run)


refused("empty", lambda c: b"")
refused("text", lambda c: b"weights\n")
refused("pickle", lambda c: b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.")
refused("zip-of-torch-save", lambda c: b"PK\x03\x04" + bytes(200))
refused("hdf5", lambda c: b"\x89HDF\r\n\x1a\n" + bytes(100))
refused("truncated-in-the-length", lambda c: c[:5])
refused("truncated-in-the-header", lambda c: c[:40])
refused("truncated-in-the-tensors", lambda c: c[:-100])
refused("bytes-behind-the-end", lambda c: c + bytes(64))
refused("header-longer-than-the-file", lambda c: struct.pack("<Q", 10**6) + c[8:])
refused("header-of-exabytes", lambda c: struct.pack("<Q", 2**60) + c[8:])
refused("header-not-json", lambda c: packed(b"x" * 64))
refused("header-nested-too-deeply", lambda c: packed(b'{"a":' * 10_000))
refused("tensor-of-a-terabyte", lambda c: packed(
    {"x": {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 2**40]}}))  # fmt: skip
refused("tensor-of-unknown-type", lambda c: packed(
    {"x": {"dtype": "F7", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)))  # fmt: skip
ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
refused("tensors-that-overlap", lambda c: packed(dict.fromkeys("ab", ONE), bytes(4)))
refused("shape-and-bytes-disagree", lambda c: packed(
    {"x": {"dtype": "F32", "shape": [3], "data_offsets": [0, 4]}}, bytes(4)))  # fmt: skip

NOT_OURS = "not a checkpoint of precondbench"
refused("no-description", lambda c: packed(
    {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)), NOT_OURS)  # fmt: skip
for key in ("model", "rounds", "width", "format_version"):
    refused(f"description-without-{key}", lambda c, key=key: described(c, **{key: ...}), NOT_OURS)
for text in ("[]", "3", "null", '"MLP"', "{", "[" * 100_000):
    refused(f"description-is-{text[:4]}-{len(text)}", lambda c, text=text: packed(
        {"__metadata__": {"precondbench": text}}), NOT_OURS)  # fmt: skip
refused("future-format", lambda c: described(c, format_version=4), "reads up to 3")
refused("no-folds", lambda c: described(c, folds=0), "says folds = 0")
refused("format-zero", lambda c: described(c, format_version=0), "checkpoint format 0")
refused("format-text", lambda c: described(c, format_version="1"), "checkpoint format")
refused(
    "unknown-model", lambda c: described(c, model="MLQ"), "no model is called", ConfigurationError
)
refused("model-a-list", lambda c: described(c, model=["MLP"]), NOT_OURS)
refused("model-a-path", lambda c: described(c, model="../../etc/passwd"), "no model is called",
        ConfigurationError)  # fmt: skip
refused("rounds-of-another-model", lambda c: described(c, rounds=3), "does not fit model")
refused("width-of-another-model", lambda c: described(c, width=8), "does not fit model")
refused("rounds-a-billion", lambda c: described(c, rounds=10**9), "does not fit|rounds")
refused("width-a-billion", lambda c: described(c, width=10**9), "does not fit|width")
refused("width-beyond-64-bits", lambda c: described(c, width=10**30), "does not fit|width")
refused("rounds-negative", lambda c: described(c, rounds=-1), "of 1 or more", ConfigurationError)
refused("rounds-text", lambda c: described(c, rounds="4"), NOT_OURS)
refused("rounds-true", lambda c: described(c, rounds=True), NOT_OURS)
refused("rounds-fraction", lambda c: described(c, rounds=1.5), NOT_OURS)
refused("scaling-unknown", lambda c: described(c, scaling="log"), "log", ConfigurationError)
DESCRIPTION = {"format_version": 1, "model": "MLP", "rounds": 1, "width": 16}
refused(
    "tensors-missing",
    lambda c: packed({"__metadata__": {"precondbench": json.dumps(DESCRIPTION)}}),
    "does not fit",
)


@MODELS.case
def checkpoint_is_missing(bench):
    with pytest.raises(FileNotFoundError):
        load_model("gone.safetensors")


@MODELS.case
def checkpoint_is_a_folder(bench):
    with pytest.raises(CheckpointError, match="not a regular file"):
        load_model(bench.folder)


@MODELS.case
def weights_that_are_not_finite_give_a_factor_that_is_refused(bench):
    from precondbench import pcg
    from precondbench.errors import MatrixError

    model = build_model("MLP", rounds=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(float("nan"))
    save_model(model, bench.folder / "m.safetensors")
    L = predict_factor(load_model(bench.folder / "m.safetensors"), np.diag([2.0, 3.0]))
    with pytest.raises(MatrixError, match="not finite"):
        pcg(np.diag([2.0, 3.0]), np.ones(2), L)


# -- folders of runs --

CONFIGURATION = TrainingConfiguration(model="MLP", rounds=1, epochs=3, device="cpu")


@pytest.fixture(scope="session")
def graphs():
    from precondbench import SuiteSparseInvK

    return SuiteSparseInvK(split="val", version="sample")


def go_on(bench, **changes):
    from dataclasses import replace

    data = bench.fixture("graphs")
    return train(
        data, data, replace(CONFIGURATION, **changes), out_dir=bench.folder / "run", resume=True
    )


class PowerCutError(Exception):
    """What ends a run between two epochs."""


def interrupted(bench, after=2):
    """Leave a run as a process that died leaves it."""
    data = bench.fixture("graphs")

    def stop(record):
        if record["epoch"] == after:
            raise PowerCutError

    bench.monkeypatch.setattr("precondbench.baselines.training.fit.SECONDS_BETWEEN_STATES", 0.0)
    with pytest.raises(PowerCutError):
        train(data, data, CONFIGURATION, out_dir=bench.folder / "run", progress=stop)
    assert not (bench.folder / "run" / "result.json").exists()
    return bench.folder / "run"


@MODELS.case
def an_interrupted_run_ends_like_one_that_was_not(bench):
    folder = interrupted(bench)
    assert len(go_on(bench).history) == 3
    data = bench.fixture("graphs")
    train(data, data, CONFIGURATION, out_dir=bench.folder / "whole")
    one, other = (
        path.joinpath("checkpoint.safetensors").read_bytes()
        for path in (folder, bench.folder / "whole")
    )
    assert one == other


def state(name, damage, fragment="is not a readable state of training"):
    def run(bench):
        folder = interrupted(bench, after=1)
        path = folder / "state.safetensors"
        path.write_bytes(damage(path.read_bytes()))
        bench.refused(CheckpointError, fragment, lambda: go_on(bench))

    MODELS.add(f"state-{name}", run)


def redescribed(content, change):
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    known = json.loads(header["__metadata__"]["precondbench"])
    header["__metadata__"]["precondbench"] = json.dumps(change(known))
    return packed(header, content[8 + length :])


state("empty", lambda c: b"")
state("truncated", lambda c: c[: len(c) // 2])
state("text", lambda c: b"epoch 3\n")
state("a-list", lambda c: redescribed(c, lambda known: [1]))
state("without-history", lambda c: redescribed(c, lambda known: {"key": known["key"]}))
state("history-a-number", lambda c: redescribed(c, lambda known: known | {"history": 3}))
state("history-of-numbers", lambda c: redescribed(c, lambda known: known | {"history": [3]}))
state(
    "of-another-run", lambda c: redescribed(c, lambda known: known | {"key": "x"}), "other settings"
)
state("without-tensors", lambda c: packed({"__metadata__": json.loads(
    c[8 : 8 + struct.unpack("<Q", c[:8])[0]])["__metadata__"]}), "does not fit")  # fmt: skip


@MODELS.case
def going_on_with_other_settings(bench):
    interrupted(bench, after=1)
    bench.refused(CheckpointError, "other settings", lambda: go_on(bench, learning_rate=0.5))


def finished(name, file, content, fragment):
    def run(bench):
        data = bench.fixture("graphs")
        train(data, data, CONFIGURATION, out_dir=bench.folder / "run")
        path = bench.folder / "run" / file
        path.unlink() if content is None else path.write_text(content)
        bench.refused(CheckpointError, fragment, lambda: go_on(bench))

    MODELS.add(f"finished-{name}", run)


finished("result-empty", "result.json", "", "result.json is damaged")
finished("result-a-list", "result.json", "[]", "result.json is damaged")
finished("result-without-its-key", "result.json", "{}", "result.json is damaged")
finished("result-of-another-run", "result.json", '{"key": "x"}', "other settings or other data")
finished("metrics-missing", "metrics.jsonl", None, "metrics.jsonl")
finished("metrics-empty", "metrics.jsonl", "", "metrics.jsonl")
finished("metrics-damaged", "metrics.jsonl", '{"epoch": 1', "metrics.jsonl")
finished("metrics-of-numbers", "metrics.jsonl", "3\n4\n", "metrics.jsonl")
finished("metrics-without-keys", "metrics.jsonl", "{}\n", "metrics.jsonl")
finished("checkpoint-missing", "checkpoint.safetensors", None, "checkpoint.safetensors")
finished("checkpoint-empty", "checkpoint.safetensors", "", "checkpoint.safetensors")


@MODELS.parametrised()
def test_checkpoints(bench, name):
    MODELS.run(bench, name)
