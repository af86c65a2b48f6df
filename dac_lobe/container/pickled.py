"""Read what numpy pickled without running a pickle.

Unpickling executes what the file says: it may call any function, or ask for all
memory. Here the opcodes are decoded by the standard library's ``pickletools``,
which executes nothing, and a machine of our own follows them. It knows how to
build plain data and to note down which of a few numpy names was called with
what; nothing is imported or called. Anything else is refused.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import pickletools
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["PickleError", "read_pickle"]


class PickleError(ValueError):
    """A pickle that is damaged, or holds more than numbers, texts and arrays."""


@dataclass(eq=False)
class _Call:
    """A call that was asked for and not made."""

    name: str
    arguments: tuple[Any, ...]
    state: Any = None


_ALLOWED = {
    f"{module}.{name}": name
    for name, modules in {
        "_reconstruct": ("numpy.core.multiarray", "numpy._core.multiarray"),
        "scalar": ("numpy.core.multiarray", "numpy._core.multiarray"),
        "ndarray": ("numpy",),
        "dtype": ("numpy",),
        "encode": ("_codecs",),
    }.items()
    for module in modules
}

_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINSTRING", "SHORT_BINSTRING"),
}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
# Far more than an encoded file needs; shared lists can stand for far more yet.
_MAX_VALUES = 10_000

# What a program that was cut or changed trips over inside the machine.
_MALFORMED = (
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
)


def read_pickle(data: bytes) -> Any:
    """Read a pickle of plain data and numpy arrays.

    Arguments
    ---------
    data : bytes
        The pickle.

    Returns
    -------
    object
        Numbers, texts, lists, tuples, dicts with texts as keys, numpy arrays.

    Raises
    ------
    PickleError
        If it is damaged, or holds anything else; nothing has been executed then.

    Example
    -------
    >>> import pickle
    >>> read_pickle(pickle.dumps({"codes": np.arange(3, dtype=np.uint16)}))
    {'codes': array([0, 1, 2], dtype=uint16)}
    >>> read_pickle(pickle.dumps(print))
    Traceback (most recent call last):
    ...
    dac_lobe.container.pickled.PickleError: the pickle asks for builtins.print: refused.
    """
    try:
        return _Builder().make(_follow(data))
    except PickleError:
        raise
    except _MALFORMED as error:
        raise PickleError(f"the pickle is damaged ({error}).") from error


def _follow(data: bytes) -> Any:
    """Follow the opcodes and return what they build."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        place = marks.pop()
        items = stack[place:]
        del stack[place:]
        return items

    for opcode, argument, _ in pickletools.genops(data):
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case name if name in _LITERALS:
                stack.append(argument)
            case name if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case name if name in _TUPLES:
                cut = len(stack) - _TUPLES[name]
                if cut < 0:
                    raise PickleError("the pickle is damaged (its stack is empty).")
                stack[cut:] = [tuple(stack[cut:])]
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "MARK":
                marks.append(len(stack))
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _set_items(stack[-1], [key, value])
            case "SETITEMS":
                items = since_mark()
                _set_items(stack[-1], items)
            case "APPEND":
                value = stack.pop()
                _as(list, stack[-1]).append(value)
            case "APPENDS":
                items = since_mark()
                _as(list, stack[-1]).extend(items)
            case "BINPUT" | "LONG_BINPUT":
                memo[_as(int, argument)] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[_as(int, argument)])
            case "GLOBAL":
                stack.append(_name(_as(str, argument).replace(" ", ".")))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_name(f"{module}.{name}"))
            case "REDUCE":
                arguments = _as(tuple, stack.pop())
                stack.append(_Call(_as(_Call, stack.pop()).name, arguments))
            case "BUILD":
                state = stack.pop()
                _as(_Call, stack[-1]).state = state
            case "STOP":
                return stack.pop()
            case name:
                raise PickleError(f"the pickle uses the opcode {name}: refused.")
    raise PickleError("the pickle ends early.")


def _name(full: str) -> _Call:
    if full not in _ALLOWED:
        raise PickleError(f"the pickle asks for {full:.80}: refused.")
    return _Call(_ALLOWED[full], ())


def _as(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise PickleError(f"the pickle is damaged ({kind.__name__} expected).")
    return value


def _set_items(target: Any, items: list[Any]) -> None:
    # Only texts: hashing nested tuples can take for ever.
    for key, value in zip(items[::2], items[1::2], strict=True):
        _as(dict, target)[_as(str, key)] = value


class _Builder:
    """Turn the calls that were noted down into the arrays that they stand for."""

    def __init__(self):
        self._values = 0
        self._depth = 0

    def make(self, value: Any) -> Any:
        """Return a value with arrays in place of calls."""
        self._values += 1
        self._depth += 1
        if self._values > _MAX_VALUES or self._depth > 20:
            raise PickleError("the pickle holds more than arrays and what they need.")
        if isinstance(value, _Call):
            value = self._array(value)
        elif isinstance(value, dict):
            value = {key: self.make(item) for key, item in value.items()}
        elif isinstance(value, (list, tuple)):
            value = type(value)([self.make(item) for item in value])
        self._depth -= 1
        return value

    def _array(self, call: _Call) -> Any:
        if call.name == "scalar":
            dtype, data = call.arguments
            return np.frombuffer(_bytes(data), _dtype(dtype), count=1)[0]
        if call.name != "_reconstruct" or call.state is None:
            raise PickleError("the pickle holds something that is not an array.")
        _, shape, dtype, fortran, content = call.state
        size = 1
        for length in _as(tuple, shape):
            if _as(int, length) < 0:
                raise PickleError("the pickle holds an array of negative length.")
            size *= length
        dtype = _dtype(dtype)
        if dtype.hasobject:
            if size != 1 or len(_as(list, content)) != 1:
                raise PickleError("the pickle holds an array of several objects.")
            return self.make(content[0])
        data = np.frombuffer(_bytes(content), dtype)
        if data.size != size:
            raise PickleError(f"the pickle holds {data.size} of {size} numbers.")
        return data.reshape(shape, order="F" if fortran else "C")


def _dtype(call: Any) -> np.dtype:
    if _as(_Call, call).name != "dtype":
        raise PickleError("the pickle holds an array without a type.")
    code, order = _as(str, call.arguments[0]), "|"
    if call.state is not None:
        order = _as(str, call.state[1])
    if not re.fullmatch(r"[iuf][1248]|O8?|b1", code) or order not in (
        "<",
        ">",
        "|",
        "=",
    ):
        raise PickleError(f"the pickle holds an array of type {code!r:.20}: refused.")
    return np.dtype(object if code[0] == "O" else order + code)


def _bytes(value: Any) -> bytes:
    """Return bytes, also where protocol 2 wrote them as an encoded text."""
    if isinstance(value, _Call) and value.name == "encode":
        text, encoding = value.arguments
        if encoding != "latin1":
            raise PickleError("the pickle holds a text in an unknown encoding.")
        return _as(str, text).encode("latin1")
    return _as(bytes, value)
