"""Frames between a process that runs a submission and the one that scores it.

A frame is one byte for its kind, its length as eight bytes, little-endian, and so many bytes. What
comes from the process of the submission may be anything: nothing of it is unpickled or believed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = struct.Struct("<BQ")
LONGEST_TEXT = 2000
_FLOATS, _INTEGERS = b"dq"
_TYPES = {_FLOATS: np.dtype("<f8"), _INTEGERS: np.dtype("<i8")}
_PART = struct.Struct("<BQ")


class Kind(IntEnum):
    """What a frame holds."""

    JOB = 1
    """The matrix and its context, for the process of the submission."""
    RESIDUAL = 2
    """A residual to apply the preconditioner to."""
    NOTHING = 3
    """The method returned None."""
    FAILURE = 4
    """Why the method failed, as text."""
    VALUES = 5
    """Values on the pattern of the factor."""
    LOWER = 6
    """Rows, columns and values of a lower factor."""
    PAIR = 7
    """The same of L and of U."""
    OPERATOR = 8
    """A linear operator is kept; numbers that one application reads, or -1."""
    FUNCTION = 9
    """A function r -> z is kept; the same number."""
    RESULT = 10
    """The preconditioner applied to the residual."""


# Types of the arrays of each kind.
_LAYOUT = {
    Kind.NOTHING: b"",
    Kind.VALUES: b"d",
    Kind.LOWER: b"qqd",
    Kind.PAIR: b"qqdqqd",
    Kind.OPERATOR: b"q",
    Kind.FUNCTION: b"q",
    Kind.RESIDUAL: b"d",
    Kind.RESULT: b"d",
}


def frame(kind: Kind, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return HEADER.pack(kind, len(payload)) + payload


def arrays_frame(kind: Kind, arrays: Sequence[Any]) -> bytes:
    """Return a frame of vectors.

    >>> arrays_of(Kind.RESULT, arrays_frame(Kind.RESULT, [[1.0, 2.0]])[9:])
    [array([1., 2.])]
    """
    parts = []
    for code, array in zip(_LAYOUT[kind], arrays, strict=True):
        values = np.ascontiguousarray(array, dtype=_TYPES[code]).ravel()
        parts.append(_PART.pack(code, values.size) + values.tobytes())
    return frame(kind, b"".join(parts))


def arrays_of(kind: Kind, payload: bytes) -> list[NDArray[Any]]:
    """Return the vectors of a frame; ValueError if its bytes are not such vectors.

    >>> arrays_of(Kind.RESULT, b"anything")
    Traceback (most recent call last):
        ...
    ValueError: a frame ends too early
    """
    found = []
    start = 0
    for code in _LAYOUT[kind]:
        if len(payload) - start < _PART.size:
            raise ValueError("a frame ends too early")
        given, count = _PART.unpack_from(payload, start)
        start += _PART.size
        if given != code or count > (len(payload) - start) // 8:
            raise ValueError("a frame holds other arrays than its kind")
        found.append(np.frombuffer(payload, _TYPES[code], count, start).copy())
        start += 8 * count
    if start != len(payload):
        raise ValueError("a frame has bytes to spare")
    return found


def text_of(payload: bytes) -> str:
    """Return the text of a frame as one printable line of bounded length."""
    text = payload[:LONGEST_TEXT].decode("utf-8", "replace")
    line = " ".join(text.split())[:500]
    return "".join(c if " " <= c <= "~" else "?" for c in line) or "it failed without a reason"
