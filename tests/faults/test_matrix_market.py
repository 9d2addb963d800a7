"""Wrong, unusual and malicious Matrix Market files."""

import gzip
import io
import os
import random
import zlib

import numpy as np
from harness import Subject, well_said
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from precondbench.errors import MatrixError
from precondbench.matrices import read_matrix

FILES = Subject(
    "Matrix Market files",
    "banner, sizes, counts, indices, values, encodings, line ends, gzip, decompression bombs, huge "
    "announced sizes",
    "the correct matrix, or a MatrixError that names the file; memory according to the content",
)
BANNER = "%%MatrixMarket matrix coordinate real symmetric\n"
GENERAL = "%%MatrixMarket matrix coordinate real general\n"
GOOD = BANNER + "2 2 3\n1 1 4.0\n2 1 -1.0\n2 2 4.0\n"
DENSE = np.array([[4.0, -1.0], [-1.0, 4.0]])


def refused(name, content, fragment, ending="A.mtx"):
    def run(bench):
        path = bench.file(ending, content)
        message = bench.refused(MatrixError, fragment, lambda: read_matrix(path))
        assert "A.mtx" in message

    FILES.add(name, run)


def read(name, content, expected=DENSE, ending="A.mtx"):
    def run(bench):
        path = bench.file(ending, content)
        np.testing.assert_array_equal(read_matrix(path).toarray(), expected)

    FILES.add(name, run)


UNREADABLE = "not readable as Matrix Market"
for name, content in {
    "empty": "",
    "one-newline": "\n",
    "only-the-banner": BANNER,
    "only-comments": BANNER + "% a\n% b\n",
    "no-banner": "2 2 1\n1 1 1\n",
    "banner-of-vector": GOOD.replace("matrix c", "vector c"),
    "banner-cut-short": "%%MatrixMarket matrix\n2 2 1\n1 1 1\n",
    "banner-misspelt-field": GOOD.replace("real", "reel"),
    "banner-misspelt-symmetry": GOOD.replace("symmetric", "symetric"),
    "banner-misspelt-format": GOOD.replace("coordinate", "coordinates"),
    "sizes-missing": BANNER + "1 1 1.0\n",
    "sizes-negative": BANNER + "-2 -2 3\n1 1 4.0\n2 1 -1\n2 2 4\n",
    "sizes-words": BANNER + "two two three\n",
    "sizes-fractions": BANNER + "2.5 2.5 3\n1 1 4.0\n2 1 -1\n2 2 4\n",
    "sizes-beyond-64-bits": BANNER + f"{10**30} {10**30} 1\n1 1 1\n",
    "count-negative": BANNER + "2 2 -3\n1 1 4.0\n",
    "too-few-entries": BANNER + "2 2 3\n1 1 4.0\n2 1 -1.0\n",
    "too-many-entries": GOOD + "1 1 5.0\n",
    "row-zero": GOOD.replace("2 1 -1", "0 1 -1"),
    "column-zero": GOOD.replace("2 1 -1", "2 0 -1"),
    "row-beyond": GOOD.replace("2 1 -1", "3 1 -1"),
    "column-beyond": GOOD.replace("2 2 4", "2 3 4"),
    "row-negative": GOOD.replace("2 1 -1", "-2 1 -1"),
    "row-fraction": GOOD.replace("2 1 -1", "2.5 1 -1"),
    "row-beyond-64-bits": GOOD.replace("2 1 -1", f"{10**25} 1 -1"),
    "value-missing": GOOD.replace("2 1 -1.0", "2 1"),
    "value-word": GOOD.replace("-1.0", "minus"),
    "value-comma": GOOD.replace("-1.0", "-1,0"),
    "value-hexadecimal": GOOD.replace("4.0\n2 1", "0x4\n2 1"),
    "value-with-a-plus-sign": GOOD.replace("1 1 4.0", "1 1 +4.0"),
    "value-with-a-fortran-exponent": GOOD.replace("4.0\n2 1", "4.0D+00\n2 1"),
    "value-with-a-letterless-exponent": GOOD.replace("4.0\n2 1", "4.0-100\n2 1"),
    "value-with-half-an-exponent": GOOD.replace("-1.0", "-1.0e"),
    "value-with-two-points": GOOD.replace("-1.0", "-1.0.0"),
    "value-with-two-exponents": GOOD.replace("-1.0", "-1e0e0"),
    "value-with-a-unit": GOOD.replace("-1.0", "-1.0 N/m"),
    "one-value-more-in-a-line": GOOD.replace("-1.0", "-1.0 0.0"),
    "two-entries-in-a-line": GOOD.replace("4.0\n2 1", "4.0 2 1"),
    "trailing-text": GOOD + "end of file\n",
    "html-page": "<!DOCTYPE html><html><body>404 Not Found</body></html>\n",
    "json": '{"rows": 2}',
    "binary": bytes(range(256)) * 8,
    "zeros": bytes(4096),
    "utf-16": GOOD.encode("utf-16"),
    "utf-32": GOOD.encode("utf-32"),
    "nul-in-a-number": GOOD.replace("2 1 -1", "2\x001 -1"),
    "array-too-short": "%%MatrixMarket matrix array real general\n2 2\n1\n2\n3\n",
    "a-gzip-without-the-ending": gzip.compress(GOOD.encode()),
}.items():
    refused(name, content, UNREADABLE)

for name, content, fragment in (
    ("value-nan", GOOD.replace("-1.0", "nan"), "not finite"),
    ("value-infinite", GOOD.replace("-1.0", "inf"), "not finite"),
    ("value-minus-infinity-on-the-diagonal", GOOD.replace("1 1 4.0", "1 1 -Inf"), "not finite"),
    ("complex", GOOD.replace("real", "complex").replace(".0\n", ".0 0.0\n"), "is complex"),
    ("hermitian", GOOD.replace("real symmetric", "complex hermitian").replace(".0\n", ".0 0.0\n"),
     "is complex"),
    ("skew-symmetric", "%%MatrixMarket matrix coordinate real skew-symmetric\n2 2 1\n2 1 -1.0\n",
     "diagonal"),
    ("not-square", GENERAL + "2 3 2\n1 1 1\n2 2 1\n", "not square"),
    ("no-rows", BANNER + "0 0 0\n", "is empty"),
    ("no-entries", BANNER + "2 2 0\n", "diagonal"),
    ("diagonal-entry-missing", BANNER + "2 2 2\n1 1 4.0\n2 1 -1.0\n", "diagonal"),
    ("diagonal-entry-zero", GOOD.replace("2 2 4.0", "2 2 0.0"), "diagonal entry 1 is 0"),
    ("diagonal-entry-negative-zero", GOOD.replace("2 2 4.0", "2 2 -0.0"), "diagonal entry 1 is"),
    ("diagonal-entry-negative", GOOD.replace("2 2 4.0", "2 2 -4.0"), "diagonal entry 1 is -4"),
    ("general-and-not-symmetric", GENERAL + "2 2 3\n1 1 4\n2 1 -1\n2 2 4\n", "not symmetric"),
    ("duplicates-that-overflow", BANNER + "1 1 2\n1 1 1.5e308\n1 1 1.5e308\n",
     r"entry .1, 1. more than once"),
    ("duplicates-that-cancel", BANNER + "1 1 2\n1 1 1.5\n1 1 -1.5\n",
     r"entry .1, 1. more than once"),
    ("duplicates-in-a-column", BANNER + "2 2 4\n1 1 3.0\n1 1 1.0\n2 1 -1.0\n2 2 4.0\n",
     r"entry .1, 1. more than once"),
    ("duplicates-that-are-equal", BANNER + "2 2 4\n1 1 4\n2 2 4\n2 1 -1\n2 1 -1\n",
     r"entry .2, 1. more than once"),
    ("both-triangles-of-symmetric", BANNER + "2 2 4\n1 1 4\n1 2 1\n2 1 1\n2 2 3\n",
     r"entry .2, 1. more than once, or it and .1, 2."),
    ("both-triangles-that-differ", BANNER + "2 2 4\n1 1 4\n1 2 1\n2 1 7\n2 2 3\n",
     r"entry .2, 1. more than once, or it and .1, 2."),
    ("both-triangles-of-skew-symmetric",
     "%%MatrixMarket matrix coordinate real skew-symmetric\n2 2 2\n2 1 -1.0\n1 2 1.0\n",
     r"entry .2, 1. more than once, or it and .1, 2."),
    ("both-triangles-of-hermitian", "%%MatrixMarket matrix coordinate complex hermitian\n2 2 4\n"
     "1 1 4 0\n1 2 1 1\n2 1 1 -1\n2 2 3 0\n", r"entry .2, 1. more than once"),
    ("both-triangles-of-pattern", BANNER.replace("real", "pattern")
     + "2 2 4\n1 1\n1 2\n2 1\n2 2\n", r"entry .2, 1. more than once"),
    ("general-with-a-duplicate", GENERAL + "2 2 5\n1 1 4\n2 1 -1\n1 2 -1\n2 2 4\n1 2 -1\n",
     r"entry .1, 2. more than once .counted"),
    ("claims-10^12-rows", BANNER + f"{10**12} {10**12} 1\n1 1 1.0\n", "rows"),
    ("claims-2^31-rows", BANNER + f"{2**31} {2**31} 1\n1 1 1.0\n", "rows"),
    ("claims-10^10-entries", BANNER + f"9 9 {10**10}\n1 1 1.0\n", "entries"),
    ("claims-more-entries-than-bytes", BANNER + f"9 9 {10**6}\n1 1 1.0\n", "entries"),
    ("claims-a-dense-10^6-squared", "%%MatrixMarket matrix array real general\n"
     f"{10**6} {10**6}\n1.0\n", "entries"),
):  # fmt: skip
    refused(name, content, fragment)

read("windows-line-ends", GOOD.replace("\n", "\r\n"))
read("blank-lines-and-comments", BANNER + "% note\n\n%\n" + GOOD.removeprefix(BANNER) + "\n\n")
read("tabs-and-spaces", GOOD.replace(" -1.0", " \t  -1.0").replace("2 2 4.0", "  2\t2   4.0  "))
read("upper-case-banner", GOOD.replace("matrix coordinate real", "MATRIX Coordinate REAL"))
read("upper-triangle-of-symmetric", GOOD.replace("2 1 -1.0", "1 2 -1.0"))
read("entries-in-reverse", BANNER + "2 2 3\n2 2 4.0\n2 1 -1.0\n1 1 4.0\n")
read("integer-field", GOOD.replace("real", "integer").replace(".0\n", "\n"))
read("unsigned-integer", BANNER.replace("real", "unsigned-integer") + "1 1 1\n1 1 7\n", [[7.0]])
read("pattern-field-gets-ones", BANNER.replace("real", "pattern") + "1 1 1\n1 1\n", [[1.0]])
read("array-format", "%%MatrixMarket matrix array real symmetric\n2 2\n4\n-1\n4\n")
read("no-newline-at-the-end", GOOD.rstrip())
read("overlong-comment", BANNER + "%" + "x" * 1_000_000 + "\n" + GOOD.removeprefix(BANNER))
read("fortran-style-exponent-of-zero", GOOD.replace("-1.0", "-1.0E+00"))
read("stored-zeros-are-dropped", BANNER + "2 2 3\n1 1 4.0\n2 1 0.0\n2 2 4.0\n", np.diag([4.0, 4.0]))
read("gzip", gzip.compress(GOOD.encode()), ending="A.mtx.gz")
read("gzip-in-two-members", gzip.compress(GOOD[:60].encode()) + gzip.compress(GOOD[60:].encode()),
     ending="A.mtx.gz")  # fmt: skip
read("denormal-diagonal", BANNER + "1 1 1\n1 1 5e-324\n", [[5e-324]])


@FILES.case
def byte_order_mark(bench):
    path = bench.file("A.mtx", b"\xef\xbb\xbf" + GOOD.encode())
    bench.refused(MatrixError, UNREADABLE, lambda: read_matrix(path))


def gz(name, content, fragment="cannot be read|not readable"):
    refused(name, content, fragment, "A.mtx.gz")


whole = gzip.compress(GOOD.encode() * 50)
gz("gzip-truncated-in-the-header", whole[:7])
gz("gzip-truncated-in-the-middle", whole[: len(whole) // 2])
gz("gzip-without-its-checksum", whole[:-8])
gz("gzip-with-a-wrong-checksum", whole[:-8] + bytes(8))
gz("gzip-with-damaged-content", gzip.compress(GOOD.encode())[:14] + b"\xff\xff\xff\xff" * 8)
gz("gzip-ending-on-plain-text", GOOD)
gz("gzip-of-nothing", b"")
gz("gzip-of-an-empty-text", gzip.compress(b""))
gz("zlib-stream-under-gzip-ending", zlib.compress(GOOD.encode()))


@FILES.case
def gzip_bomb_in_a_comment(bench):
    """A gigabyte in one line that never ends, out of a megabyte."""
    path = bench.folder / "A.mtx.gz"
    with gzip.open(path, "wb", compresslevel=1) as handle:
        handle.write(BANNER.encode() + b"%")
        block = b"x" * (1 << 24)
        for _ in range(32):
            handle.write(block)
    bench.refused(
        MatrixError, "a line is longer than 1 MiB", lambda: read_matrix(path), keeps=False
    )


@FILES.case
def one_line_of_32_megabytes(bench):
    path = bench.file("A.mtx", BANNER + "1" * (32 << 20))
    bench.refused(MatrixError, UNREADABLE, lambda: read_matrix(path), keeps=False)


@FILES.case
def a_folder(bench):
    (bench.folder / "A.mtx").mkdir()
    bench.refused(MatrixError, "there is no file", lambda: read_matrix(bench.folder / "A.mtx"))


@FILES.case
def a_pipe_that_nobody_fills(bench):
    os.mkfifo(bench.folder / "A.mtx")
    bench.refused(
        MatrixError, "there is no file", lambda: read_matrix(bench.folder / "A.mtx"), keeps=False
    )


@FILES.case
def a_dangling_link(bench):
    (bench.folder / "A.mtx").symlink_to(bench.folder / "gone")
    bench.refused(MatrixError, "there is no file", lambda: read_matrix(bench.folder / "A.mtx"))


@FILES.case
def an_endless_device(bench):
    (bench.folder / "A.mtx").symlink_to("/dev/zero")
    bench.refused(
        MatrixError, "there is no file", lambda: read_matrix(bench.folder / "A.mtx"), keeps=False
    )


@FILES.parametrised()
def test_matrix_market(bench, name):
    FILES.run(bench, name)


# -- what nobody thought of --

fuzzing = settings(
    max_examples=150, deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip


def ends_well(path):
    """A matrix that fulfils its promises, or a MatrixError."""
    try:
        matrix = read_matrix(path)
    except MatrixError as error:
        well_said(error)
        return
    assert matrix.shape[0] == matrix.shape[1] > 0
    assert np.all(np.isfinite(matrix.data))
    assert np.all(matrix.diagonal() > 0)


@fuzzing
@given(st.binary(max_size=300))
@example(BANNER.encode() + b"\xff")
def test_any_bytes(tmp_path, content):
    for name in ("A.mtx", "A.mtx.gz", "A.npz"):
        (tmp_path / name).write_bytes(content)
        ends_well(tmp_path / name)


@fuzzing
@given(st.lists(st.text(alphabet="0123456789 .-+eE%naif\t\r", max_size=12), max_size=12))
def test_any_lines_after_a_banner(tmp_path, lines):
    (tmp_path / "A.mtx").write_text(BANNER + "\n".join(lines))
    ends_well(tmp_path / "A.mtx")


@fuzzing
@given(st.integers(0, 2**32), st.sampled_from(["A.mtx", "A.mtx.gz", "A.npz"]))
def test_damaged_files(tmp_path, seed, name):
    from precondbench.matrices import write_matrix

    chance = random.Random(seed)
    if name == "A.npz":
        write_matrix(tmp_path / name, DENSE)
        content = bytearray((tmp_path / name).read_bytes())
    else:
        content = bytearray(GOOD.encode())
        content = bytearray(gzip.compress(content)) if name.endswith("gz") else content
    for _ in range(chance.randrange(1, 6)):
        where = chance.randrange(len(content))
        match chance.randrange(4):
            case 0:
                content[where] = chance.randrange(256)
            case 1:
                del content[where:]
                content += b"1"
            case 2:
                del content[where]
            case _:
                content[where:where] = content[: chance.randrange(20)]
    (tmp_path / name).write_bytes(bytes(content))
    ends_well(tmp_path / name)


def test_a_stream_is_read_like_a_file():
    from precondbench.matrices.files import read_matrix_market

    np.testing.assert_array_equal(
        read_matrix_market(io.BytesIO(GOOD.encode()), "A").toarray(), DENSE
    )
