"""The walk over the trees of a table as a program, which LLVM compiles for the processor at hand.

For each group of trees and each row, `LANES` trees go down one level in each step, without a branch: a leaf
leads to itself until the deepest tree of its group has arrived. Branches that depend on the data cost more: a
processor guesses them wrong, and then waits for the memory of one tree at a time.

As a command (`python -m`), it writes the machine code to standard output.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import llvmlite.binding as llvm
from llvmlite import ir

from servicio_ml.features.runtimes.tree_layout import (
    COLUMN_SHIFT,
    LANES,
    LEAF_BIT,
    MAX_COLUMNS,
    MAX_NODES,
    MISSING_LEFT_BIT,
)

NAME = "add_leaves"
INT, LONG, FLOAT, DOUBLE = ir.IntType(32), ir.IntType(64), ir.FloatType(), ir.DoubleType()
# nodes, roots, depths, outputs, groups, matrix, columns, rows, sums, number of sums
ARGUMENTS = (
    LONG.as_pointer(), INT.as_pointer(), INT.as_pointer(), INT.as_pointer(), INT,
    FLOAT.as_pointer(), INT, INT, DOUBLE.as_pointer(), INT,
)  # fmt: skip


def main() -> None:
    """Write the machine code of the function to standard output; nothing when it cannot stand alone."""
    sys.stdout.buffer.write(compile_code())


def compile_code() -> bytes:
    """Compile the function to machine code that runs wherever it is loaded.

    Returns:
        The code, which begins with the function; nothing when it needs constants or other functions.
    """
    module = llvm.parse_assembly(str(build_module()))
    compiled = llvm.ObjectFileRef.from_data(create_target(reloc="pic", codemodel="small").emit_object(module))
    sections = {name.decode(): each.data() for each in compiled.sections() if (name := each.name())}
    is_alone = not any(name.startswith((".rodata", ".rela.text", ".rel.text")) for name in sections)
    return sections[".text"] if is_alone else b""


def create_target(**options: str) -> llvm.TargetMachine:
    """Create LLVM's description of the processor at hand."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3, **options
    )


def build_module() -> ir.Module:
    """Build the kernel in LLVM's intermediate representation: three loops, over groups, rows and levels."""
    module = ir.Module(NAME)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), ARGUMENTS), NAME)
    nodes, roots, depths, outputs, groups, matrix, columns, rows, sums, width = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    with _repeat(builder, groups) as group:
        depth = _load(builder, depths, group)
        output = _load(builder, outputs, group)
        first = builder.mul(group, INT(LANES))
        starts = [_load(builder, roots, builder.add(first, INT(lane))) for lane in range(LANES)]
        with _repeat(builder, rows) as row:
            values = builder.gep(matrix, [builder.mul(row, columns)])
            places = _find_leaves(builder, nodes, values, depth, starts)
            total = builder.gep(sums, [builder.add(builder.mul(row, width), output)])
            builder.store(_add_values(builder, nodes, places, builder.load(total)), total)
    builder.ret_void()
    return module


@contextmanager
def _repeat(builder: ir.IRBuilder, count: ir.Value) -> Iterator[ir.Value]:
    """Repeat the instructions of the context with 0, 1, … below the count, at least once."""
    before, body = builder.block, builder.append_basic_block()
    builder.branch(body)
    builder.position_at_end(body)
    index = builder.phi(INT)
    index.add_incoming(INT(0), before)
    yield index
    following, after = builder.add(index, INT(1)), builder.append_basic_block()
    index.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, count), body, after)
    builder.position_at_end(after)


def _find_leaves(
    builder: ir.IRBuilder, nodes: ir.Value, values: ir.Value, depth: ir.Value, starts: Sequence[ir.Value]
) -> list[ir.Value]:
    """Go down from each start by as many levels as the depth, and return the index of each leaf."""
    before = builder.block
    with _repeat(builder, depth):
        places = [builder.phi(INT) for _ in starts]
        following = [_take_step(builder, nodes, values, place) for place in places]
        for place, start, child in zip(places, starts, following, strict=True):
            place.add_incoming(start, before)
            place.add_incoming(child, builder.block)
    return following


def _take_step(builder: ir.IRBuilder, nodes: ir.Value, values: ir.Value, place: ir.Value) -> ir.Value:
    """Return the index of the child of a node that the values of a row lead to."""
    node = _load(builder, nodes, place)
    link = builder.trunc(builder.lshr(node, LONG(INT.width)), INT)
    column = builder.and_(builder.lshr(link, INT(COLUMN_SHIFT)), INT(MAX_COLUMNS - 1))
    value = _load(builder, values, column)
    is_missing = builder.fcmp_unordered("uno", value, value)
    reasons = (
        builder.fcmp_ordered("<=", value, _read_value(builder, node)),
        builder.and_(is_missing, _read_bit(builder, link, MISSING_LEFT_BIT)),
        _read_bit(builder, link, LEAF_BIT),
    )
    goes_right = builder.not_(builder.or_(builder.or_(reasons[0], reasons[1]), reasons[2]))
    return builder.add(builder.and_(link, INT(MAX_NODES - 1)), builder.zext(goes_right, INT))


def _add_values(
    builder: ir.IRBuilder, nodes: ir.Value, places: Sequence[ir.Value], total: ir.Value
) -> ir.Value:
    for place in places:
        total = builder.fadd(total, builder.fpext(_read_value(builder, _load(builder, nodes, place)), DOUBLE))
    return total


def _read_value(builder: ir.IRBuilder, node: ir.Value) -> ir.Value:
    return builder.bitcast(builder.trunc(node, INT), FLOAT)


def _read_bit(builder: ir.IRBuilder, link: ir.Value, bit: int) -> ir.Value:
    return builder.trunc(builder.lshr(link, INT(bit)), ir.IntType(1))


def _load(builder: ir.IRBuilder, start: ir.Value, index: ir.Value) -> ir.Value:
    return builder.load(builder.gep(start, [index]))


if __name__ == "__main__":
    main()
