"""Malformed and hostile submissions, each made from a valid one.

``CORPUS`` maps a name to a function that spoils the folder of a valid submission. Text that
could act on a page is not here: it is allowed, and escaped where it is shown.

Longer than other files: it is one catalogue, whose entries are made in the same few ways.
"""

import json
import os
import random
import struct

import h5py
import numpy as np

from prediction_files import as_hdf5

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

# -- predictions.h5, which older versions packed: the file --


def old_form(folder):
    as_hdf5(folder / "predictions.safetensors").touch()
    (folder / "predictions.safetensors").unlink()


@case
def h5_missing(folder):
    old_form(folder)
    (folder / "predictions.h5").unlink()


@case
def h5_is_a_directory(folder):
    old_form(folder)
    (folder / "predictions.h5").unlink()
    (folder / "predictions.h5").mkdir()


@case
def h5_is_a_link(folder):
    old_form(folder)
    (folder / "predictions.h5").rename(folder / "elsewhere.h5")
    (folder / "predictions.h5").symlink_to("elsewhere.h5")


@case
def h5_is_a_pipe(folder):
    old_form(folder)
    (folder / "predictions.h5").unlink()
    os.mkfifo(folder / "predictions.h5")


def h5_raw(folder, content):
    (folder / "predictions.safetensors").unlink(missing_ok=True)
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
    old_form(folder)
    content = (folder / "predictions.h5").read_bytes()
    h5_raw(folder, content[: int(share * len(content))])


cases("h5-truncated", {"early": 0.01, "half": 0.5, "late": 0.97}, shorten)


def flipped(content, seed):
    content = bytearray(content)
    chance = random.Random(seed)
    for _ in range(40):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(content)


def flip(folder, seed):
    old_form(folder)
    h5_raw(folder, flipped((folder / "predictions.h5").read_bytes(), seed))


cases("h5-flipped", {str(seed): seed for seed in range(12)}, flip)

# -- predictions.h5: what is in it --


def opened(change):
    def spoil(folder):
        old_form(folder)
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


# -- predictions.safetensors: the file --

FILE = "predictions.safetensors"


@case
def st_missing(folder):
    (folder / FILE).unlink()


@case
def st_is_a_directory(folder):
    (folder / FILE).unlink()
    (folder / FILE).mkdir()


@case
def st_is_a_link(folder):
    (folder / FILE).rename(folder / "elsewhere.safetensors")
    (folder / FILE).symlink_to("elsewhere.safetensors")


@case
def st_is_a_link_to_the_old_form(folder):
    as_hdf5(folder / FILE)
    (folder / FILE).unlink()
    (folder / FILE).symlink_to("predictions.h5")


@case
def st_is_a_pipe(folder):
    (folder / FILE).unlink()
    os.mkfifo(folder / FILE)


def st_raw(folder, content):
    (folder / FILE).write_bytes(content)


def with_header(header, values=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + values


cases(
    "st",
    {
        "empty": b"",
        "short": b"\x08\0\0",
        "text": b"these are my predictions",
        "zeros": bytes(10_000),
        "signature": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "pickle": b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system.",
        "zip": b"PK\x03\x04" + bytes(200),
        "header-of-exabytes": struct.pack("<Q", 2**63) + b"{}",
        "header-of-90-megabytes": struct.pack("<Q", 90 * 2**20) + b"{}",
        "header-longer-than-the-file": struct.pack("<Q", 1000) + b"{}",
        "header-empty": with_header(b""),
        "header-not-json": with_header(b"{seed_0}"),
        "header-not-utf8": with_header(b'{"\xff\xfe": 1}'),
        "header-a-list": with_header([]),
        "header-a-number": with_header(3),
        "header-deep": with_header(b"[" * 50_000),
        "header-deep-objects": with_header(b'{"a":' * 10_000),
        "header-without-anything": with_header({}),
    },
    st_raw,
)
cases(
    "st-truncated",
    {"early": 0.01, "half": 0.5, "late": 0.97},
    lambda folder, share: st_raw(
        folder, (folder / FILE).read_bytes()[: int(share * (folder / FILE).stat().st_size)]
    ),
)
cases(
    "st-flipped",
    {str(seed): seed for seed in range(12)},
    lambda folder, seed: st_raw(folder, flipped((folder / FILE).read_bytes(), seed)),
)

# -- predictions.safetensors: what is in it --


def rewritten(change):
    """Change header, description and bytes of the values; what is returned replaces the bytes."""

    def spoil(folder):
        content = (folder / FILE).read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        header, values = json.loads(content[8 : 8 + length]), content[8 + length :]
        description = json.loads(header["__metadata__"]["precondbench"])
        new = change(header, description, values)
        if header.get("__metadata__") == {"precondbench": ...}:
            header["__metadata__"] = {"precondbench": json.dumps(description)}
        st_raw(folder, with_header(header, values if new is None else new))

    CORPUS[f"st-{change.__name__.replace('_', '-')}"] = spoil
    return change


def described(name, **changes):
    def change(header, description, values):
        for key, value in changes.items():
            if value is Ellipsis:
                del description[key]
            else:
                description[key] = value
        header["__metadata__"] = {"precondbench": ...}

    change.__name__ = name
    rewritten(change)


def tensor(name, **changes):
    def change(header, description, values):
        header["seed_0"] |= changes

    change.__name__ = name
    rewritten(change)


described("other_format", format="something-else")
described("earlier_version", format_version=1)
described("later_version", format_version=99)
described("version_of_text", format_version="2")
described("version_of_a_list", format_version=[2])
described("without_a_method", method=...)
described("method_of_a_number", method=3)
described("label_of_objects", label=[{"a": 0.0}])
described("identity_of_another_split", split="test")
tensor("type_int64", dtype="I64")
tensor("type_uint64", dtype="U64")
tensor("type_float16", dtype="F16")
tensor("type_bfloat16", dtype="BF16")
tensor("type_float8", dtype="F8_E4M3")
tensor("type_bool", dtype="BOOL")
tensor("type_float32_of_half_the_bytes", dtype="F32")
tensor("type_unknown", dtype="F128")
tensor("type_of_a_list", dtype=["F64"])
tensor("a_scalar", shape=[])
tensor("nothing_inside", shape=[0])
tensor("claims_a_terabyte", shape=[2**37])
tensor("claims_more_than_64_bits", shape=[2**64])
tensor("shape_that_overflows", shape=[2**32, 2**32])
tensor("shape_negative", shape=[-1])
tensor("shape_of_fractions", shape=[1.5])
tensor("offsets_negative", data_offsets=[-8, 0])
tensor("offsets_reversed", data_offsets=[8, 0])
tensor("offsets_beyond_the_file", data_offsets=[0, 2**40])
tensor("offsets_that_overflow", data_offsets=[2**63, 2**64 - 1])
tensor("offsets_of_text", data_offsets=["0", "8"])


@rewritten
def values_in_two_dimensions(header, description, values):
    header["seed_0"]["shape"].append(1)


@rewritten
def without_metadata(header, description, values):
    del header["__metadata__"]


@rewritten
def metadata_of_numbers(header, description, values):
    header["__metadata__"] = {"precondbench": 3}


@rewritten
def metadata_not_json(header, description, values):
    header["__metadata__"] = {"precondbench": "x"}


@rewritten
def metadata_a_list(header, description, values):
    header["__metadata__"] = {"precondbench": "[]"}


@rewritten
def metadata_deep(header, description, values):
    header["__metadata__"] = {"precondbench": "[" * 50_000}


@rewritten
def no_tensors(header, description, values):
    del header["seed_0"]
    return b""


@rewritten
def bytes_after_the_last_tensor(header, description, values):
    return values + bytes(8)


@rewritten
def a_hole_between_tensors(header, description, values):
    size = len(values)
    header["seed_1"] = header["seed_0"] | {"data_offsets": [size + 8, 2 * size + 8]}
    return values + bytes(8) + values


@rewritten
def two_seeds_with_the_same_bytes(header, description, values):
    header["seed_1"] = header["seed_0"]


def beside(name, key, count=1):
    def change(header, description, values):
        for k in range(count):
            start = len(values) + 8 * k
            header[key.format(k + 1)] = {
                "dtype": "F64", "shape": [1], "data_offsets": [start, start + 8],
            }  # fmt: skip
        return values + bytes(8 * count)

    change.__name__ = name
    rewritten(change)


beside("another_tensor", "notes")
beside("a_seed_with_zeros_before", "seed_00")
beside("a_seed_that_is_too_long", "seed_99999999999999999999")
beside("a_path_for_a_name", "../../seed_1")
beside("many_seeds", "seed_{}", 150)
beside("another_seed", "seed_7")


@rewritten
def one_value_too_few(header, description, values):
    header["seed_0"] |= {"shape": [len(values) // 8 - 1], "data_offsets": [0, len(values) - 8]}
    return values[:-8]


@rewritten
def one_value_too_many(header, description, values):
    header["seed_0"] |= {"shape": [len(values) // 8 + 1], "data_offsets": [0, len(values) + 8]}
    return values + bytes(8)
