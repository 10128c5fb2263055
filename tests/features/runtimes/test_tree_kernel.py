"""The kernel is compiled in a process of its own, and in this one where that cannot be."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from llvmlite import ir

from servicio_ml.features.runtimes import tree_kernel, tree_program
from servicio_ml.features.runtimes.tree_kernel import Kernels, compile_kernels, load_code

ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere LLVM compiles within the process")
SHOW_PARTS = """
import sys
from servicio_ml.features.runtimes.tree_kernel import compile_kernels
owner = compile_kernels().owner
rights = [line.split()[1] for line in open("/proc/self/maps") if "memfd:servicio" in line]
print("llvmlite" in sys.modules, rights)
"""


def walk_one_tree(kernels: Kernels) -> list[float]:
    """Walk eight equal trees of one node, whose leaf is 0.5, for two rows whose sums begin with 1 and 2."""
    arrays: list[Any] = [np.array([0x80000000_3F000000], np.uint64), np.zeros(8, np.int32)]
    arrays += [np.zeros(1, np.int32), np.zeros(1, np.int32)]
    matrix, sums = np.zeros((2, 1), np.float32), np.array([1.0, 2.0])
    addresses = [each.ctypes.data for each in arrays]
    for kernel in (kernels.keeping, kernels.releasing):
        kernel(*addresses, 1, matrix.ctypes.data, 1, 2, sums.ctypes.data, 1)
    return [*map(float, sums)]


@ONLY_LINUX
def test_the_process_holds_the_code_without_llvm() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW_PARTS], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "False ['r-xp']\n"


@pytest.mark.parametrize(
    "failure",
    [
        FileNotFoundError("no Python"),
        subprocess.CalledProcessError(1, "python"),
        subprocess.TimeoutExpired("python", 60),
    ],
    ids=lambda each: type(each).__name__,
)
def test_this_process_compiles_where_no_other_can(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> bytes:
        raise failure

    monkeypatch.setattr(tree_kernel, "_compile_apart", fail)
    assert walk_one_tree(compile_kernels.__wrapped__()) == [9.0, 10.0]


def test_both_ways_walk_alike() -> None:
    assert walk_one_tree(compile_kernels()) == [9.0, 10.0]


def test_code_that_needs_other_functions_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def build_call() -> ir.Module:
        module = ir.Module()
        kind = ir.FunctionType(ir.VoidType(), ())
        builder = ir.IRBuilder(ir.Function(module, kind, "caller").append_basic_block())
        builder.call(ir.Function(module, kind, "elsewhere"), ())
        builder.ret_void()
        return module

    monkeypatch.setattr(tree_program, "build_module", build_call)
    assert tree_program.compile_code() == b""
    with pytest.raises(OSError, match="cannot be mapped"):
        load_code(b"")
