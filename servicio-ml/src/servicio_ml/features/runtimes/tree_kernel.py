"""The kernel that walks the trees of a table: a function of machine code in the memory of this process."""

import ctypes
import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

PROGRAM = "servicio_ml.features.runtimes.tree_program"
COMPILE_SECONDS = 60.0
INT, POINTER = ctypes.c_int, ctypes.c_void_p
ARGUMENTS = (POINTER, POINTER, POINTER, POINTER, INT, POINTER, INT, INT, POINTER, INT)
"""Types of the function, as `tree_program` declares them."""
Kernel = Callable[..., None]
"""Function of `ARGUMENTS` that adds the leaves of each row to its sums, `[rows, sums]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """The compiled kernel.

    Attributes:
        keeping: Keeps the interpreter, for few rows.
        releasing: Lets other threads run.
        owner: Owner of the machine code.
    """

    keeping: Kernel
    releasing: Kernel
    owner: Any


@cache
def compile_kernels() -> Kernels:
    """Compile the kernel, once a process.

    On Linux a process of its own compiles it: LLVM takes 70 MB, and the kernel some 1,200 bytes.
    """
    try:
        owner, address = load_code(_compile_apart())
    except (OSError, subprocess.SubprocessError):
        # no such process, or no file may be run from memory
        owner, address = compile_here()
    return Kernels(
        keeping=ctypes.PYFUNCTYPE(None, *ARGUMENTS)(address),
        releasing=ctypes.CFUNCTYPE(None, *ARGUMENTS)(address),
        owner=owner,
    )


def load_code(code: bytes) -> tuple[Any, int]:
    """Map machine code into memory, never writable, and return its owner and its address.

    Raises:
        OSError: The system refuses, or there is no code.
    """
    if not code:
        raise OSError("the code cannot be mapped")
    with os.fdopen(os.memfd_create("servicio-ml-trees"), "wb") as file:
        file.write(code)
        file.flush()
        mapped = mmap.mmap(file.fileno(), len(code), mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
    owner = np.frombuffer(mapped, np.uint8)
    return owner, owner.ctypes.data


def compile_here() -> tuple[Any, int]:
    """Compile the kernel within this process, and return its owner and its address."""
    import llvmlite.binding as llvm  # noqa: PLC0415  it takes memory

    from servicio_ml.features.runtimes.tree_program import NAME, build_module, create_target  # noqa: PLC0415

    machine = create_target()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(str(build_module())), machine)
    engine.finalize_object()
    return engine, engine.get_function_address(NAME)


def _compile_apart() -> bytes:
    if sys.platform != "linux":
        return b""
    # -P: the working folder does not say what is imported
    command = [sys.executable, "-P", "-m", PROGRAM]
    done = subprocess.run(  # noqa: S603  our own program
        command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=COMPILE_SECONDS
    )
    return done.stdout
