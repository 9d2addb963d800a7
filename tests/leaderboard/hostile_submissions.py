"""Malformed and hostile submissions, each made from a valid one.

``CORPUS`` maps a name to a function that spoils the folder of a valid submission. Text that
could act on a page is not here: it is allowed, and escaped where it is shown.

Longer than other files: it is one catalogue, whose entries are made in the same few ways.
"""

import json
import os
import random

import h5py
import numpy as np

CORPUS = {}


def case(function):
    CORPUS[function.__name__] = function
    return function


def cases(name, values, spoil):
    for key, value in values.items():
        CORPUS[f"{name}-{key}"] = lambda folder, value=value: spoil(folder, value)


# -- submission.json: the file --


def text(folder, content):
    (folder / "submission.json").write_text(content, encoding="utf-8")


def raw(folder, content):
    (folder / "submission.json").write_bytes(content)


def valid(folder):
    return json.loads((folder / "submission.json").read_text(encoding="utf-8"))


@case
def json_missing(folder):
    (folder / "submission.json").unlink()


@case
def json_is_a_directory(folder):
    (folder / "submission.json").unlink()
    (folder / "submission.json").mkdir()


@case
def json_is_a_link(folder):
    (folder / "submission.json").rename(folder / "elsewhere.json")
    (folder / "submission.json").symlink_to("elsewhere.json")


@case
def json_is_a_pipe(folder):
    (folder / "submission.json").unlink()
    os.mkfifo(folder / "submission.json")


@case
def json_is_a_device(folder):
    (folder / "submission.json").unlink()
    (folder / "submission.json").symlink_to("/dev/zero")


cases(
    "json",
    {
        "empty": b"",
        "binary": bytes(range(256)),
        "utf16": '{"method": "x"}'.encode("utf-16"),
        "not": b"method: x",
        "null": b"null",
        "number": b"3",
        "list": b"[]",
        "deep": b"[" * 200_000,
        "deep-objects": b'{"a":' * 100_000,
        "huge": b'{"method": "' + b"x" * (2**20) + b'"}',
        "long-number": b'{"parameters": ' + b"9" * 10_000 + b"}",
    },
    raw,
)


@case
def json_truncated(folder):
    content = (folder / "submission.json").read_bytes()
    raw(folder, content[: len(content) // 2])


@case
def json_key_twice(folder):
    content = (folder / "submission.json").read_text(encoding="utf-8")
    text(folder, content.replace("{", '{"method": "first",', 1))


# -- submission.json: fields --


def setting(folder, change):
    data = valid(folder)
    for key, value in change.items():
        if value is Ellipsis:
            del data[key]
        else:
            data[key] = value
    # NaN and infinities are written as Python writes them, which is not JSON.
    text(folder, json.dumps(data))


SHA = "0" * 64
cases(
    "field",
    {
        **{
            f"without-{key}": {key: ...}
            for key in (
                "method",
                "authors",
                "description",
                "kind",
                "dataset",
                "split",
                "content_digest",
                "predictions",
                "label",
            )
        },
        "unknown": {"rank": 1},
        "prototype": {"__proto__": {"x": 1}},
        "method-number": {"method": 3},
        "method-empty": {"method": ""},
        "method-blank": {"method": "   "},
        "method-long": {"method": "x" * 10_000},
        "method-lines": {"method": "a\nb"},
        "method-control": {"method": "a\x00b"},
        "method-escape": {"method": "a\x1b[31mb"},
        "method-reversed": {"method": "a\u202eb"},
        "method-surrogate": {"method": "a\ud800b"},
        "description-long": {"description": "x" * 100_000},
        "authors-text": {"authors": "me"},
        "authors-none": {"authors": []},
        "authors-many": {"authors": ["me"] * 1000},
        "authors-object": {"authors": [{"name": "me"}]},
        "link-script": {"links": {"code": "javascript:alert(1)"}},
        "link-data": {"links": {"code": "data:text/html,<script>alert(1)</script>"}},
        "link-file": {"links": {"paper": "file:///etc/passwd"}},
        "link-quote": {"links": {"code": 'https://x/"onmouseover="alert(1)'}},
        "link-space": {"links": {"code": "https://x/ y"}},
        "link-long": {"links": {"code": "https://" + "x" * 5000}},
        "link-other": {"links": {"home": "https://x"}},
        "kind-other": {"kind": "magic"},
        "schema-version": {"schema_version": 99},
        "parameters-text": {"parameters": "5"},
        "parameters-negative": {"parameters": -1},
        "parameters-true": {"parameters": True},
        "parameters-float": {"parameters": 1.5},
        "seconds-negative": {"seconds": {"training": -1.0}},
        "seconds-nan": {"seconds": {"training": float("nan")}},
        "seconds-infinite": {"seconds": {"training": float("inf")}},
        "seconds-overflow": {"seconds": {"training": 10**400}},
        "learned-with-one-seed": {"kind": "learned"},
        "dataset-unknown": {"dataset": "imagenet"},
        "dataset-path": {"dataset": "../../etc"},
        "version-unknown": {"version": "99"},
        "split-unknown": {"split": "secret"},
        "split-path": {"split": "/etc/passwd"},
        "split-other": {"split": "test"},
        "label-unknown": {"label": "magic"},
        "label-other": {"label": "ic0"},
        "digest-short": {"content_digest": "abc"},
        "digest-upper": {"content_digest": "A" * 64},
        "digest-other": {"content_digest": SHA},
        "seeds-none": {"predictions": {}},
        "seeds-negative": {"predictions": {"-1": SHA}},
        "seeds-text": {"predictions": {"zero": SHA}},
        "seeds-padded": {"predictions": {"00": SHA}},
        "seeds-other": {"predictions": {"1": SHA}},
        "seeds-many": {"predictions": {str(k): SHA for k in range(1000)}},
        "values-other": {"predictions": {"0": SHA}},
    },
    setting,
)

# -- predictions.h5: the file --


@case
def h5_missing(folder):
    (folder / "predictions.h5").unlink()


@case
def h5_is_a_directory(folder):
    (folder / "predictions.h5").unlink()
    (folder / "predictions.h5").mkdir()


@case
def h5_is_a_link(folder):
    (folder / "predictions.h5").rename(folder / "elsewhere.h5")
    (folder / "predictions.h5").symlink_to("elsewhere.h5")


@case
def h5_is_a_pipe(folder):
    (folder / "predictions.h5").unlink()
    os.mkfifo(folder / "predictions.h5")


def h5_raw(folder, content):
    (folder / "predictions.h5").write_bytes(content)


cases(
    "h5",
    {
        "empty": b"",
        "text": b"these are my predictions",
        "zeros": bytes(10_000),
        "signature": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "pickle": b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system.",
        "zip": b"PK\x03\x04" + bytes(200),
    },
    h5_raw,
)


def shorten(folder, share):
    content = (folder / "predictions.h5").read_bytes()
    h5_raw(folder, content[: int(share * len(content))])


cases("h5-truncated", {"early": 0.01, "half": 0.5, "late": 0.97}, shorten)


def flip(folder, seed):
    content = bytearray((folder / "predictions.h5").read_bytes())
    chance = random.Random(seed)
    for _ in range(40):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    h5_raw(folder, bytes(content))


cases("h5-flipped", {str(seed): seed for seed in range(12)}, flip)

# -- predictions.h5: what is in it --


def opened(change):
    def spoil(folder):
        with h5py.File(folder / "predictions.h5", "r+") as file:
            change(file, folder)

    CORPUS[f"h5-{change.__name__.replace('_', '-')}"] = spoil
    return change


def replaced(file, **options):
    del file["seed_0"]
    return file.create_dataset("seed_0", **options)


@opened
def without_attributes(file, folder):
    for key in list(file.attrs):
        del file.attrs[key]


@opened
def other_format(file, folder):
    file.attrs["format"] = np.bytes_("something-else")


@opened
def later_version(file, folder):
    file.attrs["format_version"] = 99


@opened
def text_of_variable_length(file, folder):
    file.attrs["method"] = "variable"


@opened
def identity_of_another_split(file, folder):
    file.attrs["split"] = np.bytes_("test")


@opened
def attribute_of_objects(file, folder):
    file.attrs.create("label", np.zeros(3))


@opened
def no_seeds(file, folder):
    del file["seed_0"]


@opened
def another_dataset(file, folder):
    file["notes"] = np.zeros(3)


@opened
def another_seed(file, folder):
    file["seed_7"] = file["seed_0"][...]


@opened
def many_seeds(file, folder):
    for seed in range(1, 150):
        file[f"seed_{seed}"] = np.zeros(1)


@opened
def group_for_a_dataset(file, folder):
    del file["seed_0"]
    file.create_group("seed_0")


@opened
def soft_link(file, folder):
    file["seed_1"] = file["seed_0"][...]
    del file["seed_0"]
    file["seed_0"] = h5py.SoftLink("/seed_1")


@opened
def external_link(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = file["seed_0"][...]
    del file["seed_0"]
    file["seed_0"] = h5py.ExternalLink("other.h5", "/x")


@opened
def external_storage(file, folder):
    count = file["seed_0"].size
    (folder / "values.bin").write_bytes(bytes(8 * count))
    replaced(file, shape=(count,), dtype="f8", external=[("values.bin", 0, 8 * count)])


@opened
def virtual_dataset(file, folder):
    count = file["seed_0"].size
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = file["seed_0"][...]
    layout = h5py.VirtualLayout((count,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "x", (count,))
    del file["seed_0"]
    file.create_virtual_dataset("seed_0", layout)


@opened
def too_few_values(file, folder):
    replaced(file, data=np.zeros(file["seed_0"].size - 1))


@opened
def too_many_values(file, folder):
    replaced(file, data=np.zeros(file["seed_0"].size + 1))


@opened
def claims_a_terabyte(file, folder):
    replaced(file, shape=(2**37,), dtype="f8", chunks=(2**16,), compression="gzip")


@opened
def one_chunk_of_gigabytes(file, folder):
    count = file["seed_0"].size
    replaced(
        file, shape=(count,), maxshape=(None,), dtype="f8", chunks=(2**28,), compression="gzip"
    )


@opened
def two_dimensions(file, folder):
    replaced(file, data=np.zeros((file["seed_0"].size, 1)))


@opened
def a_scalar(file, folder):
    replaced(file, data=1.0)


@opened
def nothing_inside(file, folder):
    replaced(file, data=h5py.Empty("f8"))


@opened
def another_filter(file, folder):
    replaced(file, data=file["seed_0"][...], compression="lzf")


@opened
def scale_offset_filter(file, folder):
    replaced(file, data=file["seed_0"][...].astype("f4"), scaleoffset=2)


def typed(name, dtype):
    def change(file, folder):
        replaced(file, shape=(file["seed_0"].size,), dtype=dtype)

    change.__name__ = name
    opened(change)


typed("type_int64", "<i8")
typed("type_float16", "<f2")
typed("type_big_endian", ">f8")
typed("type_complex", "<c16")
typed("type_bool", "?")
typed("type_compound", np.dtype([("a", "<f8"), ("b", "<i4")]))
typed("type_text", h5py.string_dtype())
typed("type_fixed_text", "S8")
typed("type_reference", h5py.ref_dtype)
typed("type_region", h5py.regionref_dtype)
typed("type_ragged", h5py.vlen_dtype(np.float64))
typed("type_enum", h5py.enum_dtype({"a": 0, "b": 1}))
typed("type_opaque", np.dtype("V8"))
