"""A mirror of the collection: its index, its archives, and an index over the network."""

import gzip
import io
import struct
import tarfile

import numpy as np
from harness import Subject

from precondbench.errors import ConfigurationError, MatrixError, MissingDataError
from precondbench.matrices import Collection

MIRROR = Subject(
    "Mirror of the collection",
    "ssstats.csv: encodings, counts, names that leave the folder; tar.gz: links, traversal, bombs, "
    "forged sizes, missing and repeated members, another matrix",
    "a MissingDataError or MatrixError that names the file; nothing is extracted",
)
MTX = b"%%MatrixMarket matrix coordinate real symmetric\n2 2 3\n1 1 4\n2 1 -1\n2 2 4\n"
LINE = "G,m,2,2,4,1,0,0,1,1.0,1.0,kind,4\n"
INDEX = "1\n01-Jan-2026\n" + LINE


def tar(*members):
    """Archive of (name, content) or ready-made (TarInfo, content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for info, content in members:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def mirror(bench, index=INDEX, archive=None):
    bench.file("mirror/files/ssstats.csv", index)
    if archive is not None:
        bench.file("mirror/MM/G/m.tar.gz", archive)
    return Collection(bench.folder / "mirror")


def index(name, content, fragment="is not the collection's index"):
    def run(bench):
        collection = mirror(bench, content)
        bench.refused(MissingDataError, fragment, collection.entries)
        bench.command("build", "collection", "--source", bench.folder / "mirror",
                      "--max-n", 9, "--root", bench.folder / "cache", code=3,
                      fragment="precondbench: .*ssstats.csv")  # fmt: skip

    MIRROR.add(f"index-{name}", run)


index("empty", "")
index("html", "<!DOCTYPE html>\n<html>\n<body>\n404\n</body>\n</html>\n")
index("binary", bytes(range(256)) * 4)
index("utf-16", INDEX.encode("utf-16"))
index("latin-1", INDEX.replace("kind", "Fläche").encode("latin-1"))
index("nul-characters", INDEX + "\0" * 100)
index("count-missing", "01-Jan-2026\n" + LINE)
index("count-text", "one\ndate\n" + LINE)
index("count-too-large", "2\ndate\n" + LINE, "lists 1 matrices but announces 2")
index("count-too-small", "1\ndate\n" + LINE + LINE, "lists 2 matrices but announces 1")
index("truncated-line", "1\ndate\nG,m,2,2\n")
index("words-for-sizes", INDEX.replace("2,2,4", "two,two,four"))
index("sizes-of-10000-digits", INDEX.replace("2,2,4", "9" * 10_000 + ",2,4"))
index("field-without-end", '1\ndate\n"' + "x" * 200_000)
index("name-leaves-the-folder", INDEX.replace("G,m", "..,m"))
index("name-with-a-slash", INDEX.replace("G,m", "G,a/../../m"))
index("name-absolute", INDEX.replace("G,m", "/etc,m"))
index("name-with-a-backslash", INDEX.replace("G,m", "G,..\\m"))
index("name-empty", INDEX.replace("G,m", "G,"))
index("name-with-a-drive", INDEX.replace("G,m", "C:,m"))


@MIRROR.case
def no_mirror_at_all(bench):
    bench.refused(MissingDataError, "files/ssstats.csv is missing", lambda: Collection("nowhere"))


@MIRROR.case
def no_source(bench):
    bench.refused(ConfigurationError, "no matrix collection given", Collection)


@MIRROR.case
def index_is_a_folder(bench):
    (bench.folder / "mirror" / "files" / "ssstats.csv").mkdir(parents=True)
    bench.refused(
        MissingDataError, "ssstats.csv is missing", lambda: Collection(bench.folder / "mirror")
    )


def archive(name, content, fragment, kind=MatrixError):
    def run(bench):
        collection = mirror(bench, archive=content)
        (entry,) = collection.entries()
        message = bench.refused(kind, fragment, lambda: collection.matrix(entry))
        assert "G/m" in message or "m.tar.gz" in message

    MIRROR.add(f"archive-{name}", run)


def linked(kind, target):
    info = tarfile.TarInfo("m/m.mtx")
    info.type, info.linkname = kind, target
    return info


def sized(size):
    """One header that claims a size, in the binary form of large numbers, and no content."""
    header = bytearray(tarfile.TarInfo("other").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 4 + struct.pack(">q", size) if size < 0 else (
        b"\x80" + bytes(3) + struct.pack(">q", size))  # fmt: skip
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return gzip.compress(bytes(header) + bytes(1024))


def long_name(size):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, size
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


GOOD = tar(("m/m.mtx", MTX))
archive("empty", b"", "is damaged")
archive("text", b"404 Not Found", "is damaged")
archive("html", b"<!DOCTYPE html><html></html>", "is damaged")
archive("tar-without-gzip", gzip.decompress(GOOD), "is damaged")
archive("zip", b"PK\x03\x04" + bytes(200), "is damaged")
archive("gzip-of-nothing", gzip.compress(b""), "is damaged|does not contain")
archive("gzip-of-text", gzip.compress(MTX), "is damaged|does not contain")
archive("gzip-of-zeros", gzip.compress(bytes(10_240)), "is damaged|does not contain")
archive("truncated-early", GOOD[:20], "is damaged")
archive("truncated-late", tar(("m/m.mtx", MTX), ("m/x", bytes(range(256)) * 64))[:120], "damaged")
archive("damaged-middle", GOOD[:40] + bytes(30) + GOOD[70:], "is damaged|not readable")
archive("without-the-matrix", tar(("m/readme.txt", b"hello")), "does not contain m/m.mtx")
archive("matrix-elsewhere", tar(("n/m.mtx", MTX)), "does not contain m/m.mtx")
archive("matrix-under-a-path-that-climbs", tar(("../m/m.mtx", MTX)), "does not contain m/m.mtx")
archive("matrix-under-an-absolute-path", tar(("/m/m.mtx", MTX)), "does not contain m/m.mtx")
archive("matrix-a-symbolic-link", tar((linked(tarfile.SYMTYPE, "/etc/passwd"), b"")),
        "not a plain file")  # fmt: skip
archive("matrix-a-hard-link", tar((linked(tarfile.LNKTYPE, "m/m.mtx"), b"")), "not a plain file")
archive("matrix-a-folder", tar((linked(tarfile.DIRTYPE, ""), b"")), "not a plain file")
archive("matrix-a-device", tar((linked(tarfile.CHRTYPE, ""), b"")), "not a plain file")
archive("matrix-a-pipe", tar((linked(tarfile.FIFOTYPE, ""), b"")), "not a plain file")
archive("matrix-empty", tar(("m/m.mtx", b"")), "not readable as Matrix Market")
archive("matrix-binary", tar(("m/m.mtx", bytes(range(256)) * 8)), "not readable as Matrix Market")
archive("matrix-html", tar(("m/m.mtx", b"<html>\xff\xfe</html>")), "not readable as Matrix Market")
archive("matrix-truncated", tar(("m/m.mtx", MTX[:-5])), "not readable as Matrix Market")
archive("matrix-not-symmetric",
        tar(("m/m.mtx", MTX.replace(b"symmetric", b"general"))), "not symmetric")  # fmt: skip
archive("matrix-of-another-size", tar(("m/m.mtx", MTX.replace(b"2 2 3\n", b"3 3 4\n3 3 1\n"))),
        "holds another matrix")  # fmt: skip
archive("matrix-with-other-entries", tar(("m/m.mtx", MTX.replace(b"-1", b"0"))),
        "holds another matrix")  # fmt: skip
archive("size-of-exabytes", sized(2**62), "is damaged|does not contain")
archive("size-negative", sized(-512), "is damaged|does not contain")
archive("size-negative-and-large", sized(-(2**40)), "is damaged|does not contain")
archive("name-of-a-terabyte", long_name(0o77777777777), "is damaged|does not contain")


@MIRROR.case
def archive_with_a_bomb_before_the_matrix(bench):
    """A gigabyte of zeros out of a megabyte: skipped in pieces, and the matrix is read."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as packed:
        info = tarfile.TarInfo("m/zeros")
        info.size = 1 << 28
        packed.addfile(info, Zeros(info.size))
        info = tarfile.TarInfo("m/m.mtx")
        info.size = len(MTX)
        packed.addfile(info, io.BytesIO(MTX))
    collection = mirror(bench, archive=buffer.getvalue())
    (entry,) = collection.entries()
    assert collection.matrix(entry).nnz == 4


class Zeros(io.RawIOBase):
    """As many zeros as asked for, in no memory."""

    def __init__(self, size):
        self.left = size

    def read(self, size=-1):
        given = min(size if size >= 0 else self.left, self.left)
        self.left -= given
        return bytes(given)


@MIRROR.case
def archive_with_the_matrix_twice_gives_the_first(bench):
    second = MTX.replace(b"4\n", b"9\n")
    collection = mirror(bench, archive=tar(("m/m.mtx", MTX), ("m/m.mtx", second)))
    (entry,) = collection.entries()
    np.testing.assert_array_equal(collection.matrix(entry).diagonal(), [4.0, 4.0])


@MIRROR.case
def archive_with_members_that_climb_writes_nothing(bench):
    collection = mirror(bench, archive=tar(("../../evil", b"x"), ("/evil", b"x"), ("m/m.mtx", MTX)))
    before = bench.listing()
    (entry,) = collection.entries()
    assert collection.matrix(entry).nnz == 4
    assert bench.listing() == before


@MIRROR.case
def archive_is_missing(bench):
    collection = mirror(bench)
    (entry,) = collection.entries()
    assert not collection.has(entry)
    bench.refused(MissingDataError, "is not in the mirror", lambda: collection.matrix(entry))


@MIRROR.case
def a_damaged_archive_is_tried_again_once_it_is_whole(bench):
    """An outcome that comes from a damaged file must not be kept."""
    arguments = ("build", "collection", "--source", bench.folder / "mirror", "--max-n", 9,
                 "--root", bench.folder / "cache", "--out", bench.folder / "o.h5")  # fmt: skip
    mirror(bench, archive=GOOD[:30])
    bench.command(*arguments, fragment="unreadable")
    assert not (bench.folder / "o.h5").exists()
    mirror(bench, archive=GOOD)
    bench.command(*arguments, fragment="built")
    assert (bench.folder / "o.h5").exists()


@MIRROR.parametrised()
def test_mirror(bench, name):
    MIRROR.run(bench, name)
