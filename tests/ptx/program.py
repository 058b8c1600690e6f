"""PTX taken apart: the instructions of an entry, its labels, registers and constants.

Source: PTX ISA, "Syntax" and "Directives".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Kind = np.dtype[Any]

#: What a type of PTX is in numpy.
KINDS: dict[str, Kind] = {
    **{f"{letter}{bits}": np.dtype(f"u{bits // 8}") for letter in "bu" for bits in (8, 16, 32, 64)},
    **{f"s{bits}": np.dtype(f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    "f32": np.dtype(np.float32),
    "tf32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "pred": np.dtype(np.bool_),
}

#: Modifiers that say how, or how exactly, and not what.
_MANNERS = {"aligned", "approx", "ca", "cg", "ftz", "full", "nc", "rn", "sync", "uni"}

_INSTRUCTION = re.compile(r"(?:@(!?)(%\w+)\s+)?([a-z][\w.:]*)\s*(.*)", re.DOTALL)
_LABEL = re.compile(r"([$\w]+):\s*")
_OPERAND = re.compile(r"\{[^}]*\}|\[[^\]]*\]|[^,\s][^,]*")
_REGISTER = re.compile(r"\.reg \.(\w+)\s+(%?\w+)(?:<(\d+)>)?")
_ADDRESS = re.compile(r"\[\s*([%$\w]+)\s*(?:\+\s*(-?\d+))?\s*\]")
_CONSTANT = re.compile(r"\.global \.align \d+ \.b8 (\S+)\[\d+\] = \{([\d, ]+)\};")


class UnknownInstructionError(NotImplementedError):
    """Triton emitted what the emulator was never taught; see the package."""


@dataclass(frozen=True, kw_only=True)
class Instruction:
    text: str
    #: Opcode with the modifiers that say what is done: "mul.wide", "ld.shared", "setp.lt".
    key: str
    #: Its types, in their order.
    kinds: tuple[Kind, ...]
    #: Elements of a vector that is loaded or stored.
    n_elements: int
    operands: tuple[str, ...]
    #: The predicate that decides whether it is done, or "".
    guard: str
    #: Whether it is done where the predicate is false.
    negated: bool


class Address(NamedTuple):
    base: str
    offset: int


@dataclass(frozen=True, kw_only=True)
class Program:
    """An entry's instructions, and all they refer to."""

    #: Threads of a block.
    n_threads: int
    #: In the order in which a launch passes them.
    parameters: tuple[str, ...]
    instructions: list[Instruction] = field(default_factory=list)
    #: Index of the instruction after a label.
    labels: dict[str, int] = field(default_factory=dict)
    #: Labels that ``brx.idx`` chooses from.
    tables: dict[str, list[str]] = field(default_factory=dict)
    #: The unsigned type of each one's width, or bool.
    registers: dict[str, Kind] = field(default_factory=dict)
    #: The module's constants: bytes.
    constants: dict[str, Array]


@cache
def parse(ptx: str) -> Program:
    """The one entry of a module that Triton made."""
    start = ptx.index(".visible .entry")
    head, body = ptx[start : ptx.index("\n}", start)].split("\n{", 1)
    program = Program(
        n_threads=int(re.findall(r"\.reqntid (\d+)", head)[0]),
        parameters=tuple(re.findall(r"\w+_param_\d+", head)),
        constants={name: _bytes(values) for name, values in _CONSTANT.findall(ptx)},
    )
    for statement in _statements(body):
        _take(program, statement)
    return program


def instruction_of(text: str) -> Instruction:
    matched = _INSTRUCTION.fullmatch(text)
    if matched is None:
        raise UnknownInstructionError(f"no instruction: {text!r}")
    negated, guard, name, operands = matched.groups()
    key, kinds, n_elements = _parse_name(name)
    return Instruction(
        text=" ".join(text.split()),
        key=key,
        kinds=kinds,
        n_elements=n_elements,
        operands=tuple(operand.strip() for operand in _OPERAND.findall(operands)),
        guard=guard or "",
        negated=bool(negated),
    )


@cache
def _parse_name(name: str) -> tuple[str, tuple[Kind, ...], int]:
    """An instruction's key, types and elements."""
    parts = name.replace("shared::cta", "shared").split(".")
    vectors = [part for part in parts if re.fullmatch(r"v\d", part)]
    passed_over = _MANNERS | KINDS.keys() | set(vectors)
    key = ".".join(part for part in parts if part not in passed_over)
    kinds = tuple(KINDS[part] for part in parts if part in KINDS)
    return key, kinds, int(vectors[0][1:]) if vectors else 1


@cache
def names_of(operand: str) -> tuple[str, ...]:
    """The elements of "{a, b}"; one that stands alone is an element too."""
    return tuple(name.strip() for name in operand.strip("{ }").split(","))


@cache
def address_of(operand: str) -> Address:
    """Of "[base+offset]"."""
    matched = _ADDRESS.fullmatch(operand)
    if matched is None:
        raise ValueError(f"no address: {operand!r}")
    return Address(matched[1], int(matched[2] or 0))


def _statements(body: str) -> Iterator[str]:
    """What ends in a semicolon, labels before it included; scopes are not told apart."""
    lines = (line.split("//")[0].strip() for line in body.splitlines())
    text = "\n".join(line for line in lines if not line.startswith(".loc"))
    return (statement.lstrip("{} \n") for statement in text.split(";"))


def _take(program: Program, statement: str) -> None:
    label = ""
    while matched := _LABEL.match(statement):
        label, statement = matched[1], statement[matched.end() :].lstrip("{} \n")
        program.labels[label] = len(program.instructions)
    if statement.startswith(".branchtargets"):
        program.tables[label] = re.findall(r"\$\w+", statement)
    elif statement.startswith(".reg"):
        program.registers.update(_parse_declaration(statement))
    elif statement and not statement.startswith((".local", ".param", ".pragma")):
        program.instructions.append(instruction_of(statement))


def _parse_declaration(statement: str) -> dict[str, Kind]:
    ((kind, name, count),) = _REGISTER.findall(statement)
    names = [f"{name}{i}" for i in range(int(count))] if count else [name]
    bits = kind.strip("bfsu")
    if kind != "pred" and f"u{bits}" not in KINDS:
        raise UnknownInstructionError(f"registers of an unknown type: {statement}")
    return dict.fromkeys(names, KINDS["pred" if kind == "pred" else f"u{bits}"])


def _bytes(values: str) -> Array:
    return np.array([int(value) for value in values.split(",")], np.uint8)
