"""The collection by URL: an index and archives from servers that fail."""

import pytest
from harness import Subject
from test_collection_mirror import GOOD, INDEX
from test_network import (
    HTML,
    drip,
    endless,
    headers_without_end,
    http,
    quick,
    reset,
    server,
    silence,
    stall,
)

from precondbench.errors import MatrixError, MissingDataError
from precondbench.matrices import Collection

__all__ = ["quick"]

ONLINE = Subject(
    "Collection by URL",
    "HTML, errors, truncation, stalls, trickles and resets in place of the index and of an archive",
    "a MissingDataError or MatrixError; no damaged file is kept, and the next attempt succeeds",
)


def online(name, answer):
    def run(bench):
        bench.fixture("quick")
        # Enough for a process to start and for an answer that comes.
        bench.fixture("monkeypatch").setattr(
            "precondbench.matrices.suitesparse.collection._INDEX_SECONDS", 4.0
        )
        with server(answer) as (url, _):
            collection = Collection(url, bench.folder / "cache")
            with pytest.raises(MissingDataError, match=r"could not be fetched|lists no positive"):
                collection.entries()
        assert bench.listing() == {"cache": None}

    ONLINE.add(f"index-{name}", run)


online("html", http(HTML))
online("404", http(INDEX.encode(), "404 Not Found"))
online("500", http(INDEX.encode(), "500 Oops"))
online("empty", http(b""))
online("binary", http(bytes(range(256))))
online("truncated", http(INDEX[:30].encode(), length=len(INDEX)))
online("stall", stall)
online("silence", silence)
online("trickle", drip)
online("reset", reset)
online("name-that-leaves-the-cache", http(INDEX.replace("G,", "..,", 1).encode()))


def by_url(name, answer, fragment, kind=MissingDataError):
    def run(bench):
        bench.fixture("quick")
        with server(http(INDEX.encode()), http(INDEX.encode()), answer, http(GOOD)) as (url, _):
            collection = Collection(url, bench.folder / "cache")
            (entry,) = collection.entries()
            with pytest.raises(kind, match=fragment):
                collection.matrix(entry)
            assert not list((bench.folder / "cache").rglob("*.tar.gz"))
            # Whoever asks again gets what is there by then.
            assert collection.matrix(entry).nnz == 4

    ONLINE.add(f"archive-{name}", run)


by_url("html", http(HTML), "is damaged", MatrixError)
by_url("truncated", http(GOOD[:50], length=len(GOOD)), "could not be fetched")
by_url("truncated-without-a-length", http(GOOD[:50], "200 OK", ""), "is damaged", MatrixError)
by_url("404", http(HTML, "404 Not Found"), "could not be fetched")
by_url("stall", stall, "could not be fetched")
by_url("trickle", drip, "given up after")
by_url("reset", reset, "could not be fetched")
by_url("without-end", endless, "bytes without end, more than")
by_url("of-a-terabyte", http(GOOD, length=10**12), "1000000000000 of them, more than")
by_url("headers-without-end", headers_without_end, "given up after")


@ONLINE.parametrised()
def test_online(bench, name):
    ONLINE.run(bench, name)
