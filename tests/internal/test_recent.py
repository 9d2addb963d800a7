"""Results that are kept while there is room."""

import numpy as np

from precondbench._internal import Recent, digest_of


def test_what_was_asked_for_last_is_kept():
    made = []

    def make(key):
        def result():
            made.append(key)
            return bytearray(key)

        return result

    recent = Recent(10, len)
    for key in (3, 4, 3, 5, 3, 4):
        assert recent.get(key, make(key)) == bytearray(key)
    # 3 was used after 4, which had to go for 5; then 4 takes the place of 5.
    assert made == [3, 4, 5, 4]
    assert len(recent.get(100, make(100))) == 100
    made.clear()
    recent.get(100, make(100))
    assert made == []


def test_results_may_grow():
    recent = Recent(10, len)
    first = recent.get("a", lambda: bytearray(2))
    first.extend(bytes(20))
    recent.get("b", lambda: bytearray(2))
    assert len(recent.get("a", lambda: bytearray(1))) == 1


def test_digests_tell_arrays_apart():
    one, other = np.arange(4), np.arange(4.0)
    assert digest_of(one, other) == digest_of(one.copy(), other.copy())
    assert digest_of(one, other) != digest_of(other, one)
