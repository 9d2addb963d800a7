"""Rows of lanes as LLVM vectors, for :mod:`precondbench.solvers.lanes`.

LLVM does not turn arithmetic on tuples into vector instructions unless Numba is told to look for
it everywhere (``NUMBA_SLP_VECTORIZE``), so they are written down here. Lanes do not mix, and there
are no fused, reordered or approximate operations.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing import signature
from numba.extending import (
    box,
    intrinsic,
    lower_builtin,
    models,
    overload,
    register_model,
    type_callable,
)

Function = TypeVar("Function", bound=Callable[..., Any])
_DOUBLE, _INT = ir.DoubleType(), ir.IntType(32)
# Of the numbers of an array; rows of a view may begin anywhere.
_ALIGNED = 8


class RowType(types.Type):  # type: ignore[misc]
    """A row of lanes in compiled code; becomes a tuple outside."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Row({lanes})")


@register_model(RowType)
class _RowModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, row: RowType) -> None:
        super().__init__(manager, row, ir.VectorType(_DOUBLE, row.lanes))


@box(RowType)  # type: ignore[untyped-decorator]
def _box(row: RowType, value: Any, c: Any) -> Any:
    numbers = [c.builder.extract_element(value, _INT(k)) for k in range(row.lanes)]
    return c.pyapi.tuple_pack([c.pyapi.float_from_double(number) for number in numbers])


@intrinsic
def _lane(context, t, k):  # type: ignore[no-untyped-def]
    """Number k of a row."""

    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return builder.extract_element(*args)

    return types.float64(t, k), generate


@overload(operator.getitem)
def _getitem(t, k):  # type: ignore[no-untyped-def]
    if isinstance(t, RowType) and isinstance(k, types.Integer):
        return lambda t, k: _lane(t, k)
    return None


def at(values: Any, p: int) -> Any:
    """Return ``values[p]`` for p of 0 or more, which compiled code does not check."""
    return values[p]


@intrinsic
def _at(context, values, p):  # type: ignore[no-untyped-def]
    def generate(context, builder, sig, args):  # type: ignore[no-untyped-def]
        array = context.make_array(sig.args[0])(context, builder, args[0])
        place = context.cast(builder, args[1], sig.args[1], types.intp)
        return builder.load(builder.gep(array.data, [place]))

    return values.dtype(values, p), generate


@overload(at)
def _at_of(values, p):  # type: ignore[no-untyped-def]
    return lambda values, p: _at(values, p)


@dataclass(frozen=True)
class _Rows:
    """Where the rows of an array are: of the first number, and from one to the next, in bytes."""

    data: Any
    down: Any
    across: Any
    together: bool

    def address(self, builder: Any, i: Any, k: int = 0) -> Any:
        at = builder.mul(i, self.down)
        if k:
            at = builder.add(at, builder.mul(i.type(k), self.across))
        return cgutils.pointer_add(builder, self.data, at)


def load(builder: Any, like: Any, x: _Rows, i: Any) -> Any:
    """Load row i of an array as a vector like another."""
    if x.together:
        return builder.load(
            builder.bitcast(x.address(builder, i), like.type.as_pointer()), align=_ALIGNED
        )
    result = like.type(ir.Undefined)
    for k in range(like.type.count):
        number = builder.load(x.address(builder, i, k))
        result = builder.insert_element(result, number, _INT(k))
    return result


def store(builder: Any, x: _Rows, i: Any, t: Any) -> None:
    """Store a vector as row i of an array."""
    if x.together:
        place = builder.bitcast(x.address(builder, i), t.type.as_pointer())
        builder.store(t, place, align=_ALIGNED)
        return
    for k in range(t.type.count):
        builder.store(builder.extract_element(t, _INT(k)), x.address(builder, i, k))


def splat(builder: Any, like: Any, a: Any) -> Any:
    """Return a number in all lanes of a vector like another."""
    unknown = like.type(ir.Undefined)
    first = builder.insert_element(unknown, a, _INT(0))
    everywhere = ir.VectorType(_INT, like.type.count)([0] * like.type.count)
    return builder.shuffle_vector(first, unknown, everywhere)


def compiled_as(
    generate: Callable[..., Any], returns: bool = True
) -> Callable[[Function], Function]:
    """Say what a function of rows, arrays, indices and numbers is in compiled code.

    ``generate`` is given an LLVM builder, and for each argument a vector, rows, an index or a
    double. What it returns is a row, or nothing.
    """

    def decorated(function: Function) -> Function:
        @type_callable(function)
        def typed(context):  # type: ignore[no-untyped-def]
            def typer(*args):  # type: ignore[no-untyped-def]
                lanes = next(filter(None, map(_lanes_of, args)), None)
                if lanes is None:
                    return None
                return signature(RowType(lanes) if returns else types.none, *args)

            # Numba packs arguments that have no names of their own into a tuple.
            typer.pysig = inspect.signature(function)  # type: ignore[attr-defined]
            return typer

        @lower_builtin(function, types.VarArg(types.Any))
        def lowered(context, builder, sig, args):  # type: ignore[no-untyped-def]
            given = [
                _argument(context, builder, kind, value)
                for kind, value in zip(sig.args, args, strict=True)
            ]
            result = generate(builder, *given)
            return result if returns else context.get_dummy_value()

        return function

    return decorated


def _lanes_of(kind: Any) -> int | None:
    if isinstance(kind, RowType):
        return kind.lanes
    if isinstance(kind, types.UniTuple) and kind.dtype == types.float64:
        return int(kind.count)
    return None


def _argument(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, RowType):
        return value
    if isinstance(kind, types.UniTuple):
        vector = ir.VectorType(_DOUBLE, kind.count)(ir.Undefined)
        for k in range(kind.count):
            number = builder.extract_value(value, k)
            vector = builder.insert_element(vector, number, _INT(k))
        return vector
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        down, across = cgutils.unpack_tuple(builder, array.strides)
        return _Rows(array.data, down, across, kind.layout == "C")
    wanted = types.intp if isinstance(kind, types.Integer) else types.float64
    return context.cast(builder, value, kind, wanted)
