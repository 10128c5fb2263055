"""Filter of system calls: no network, no new process, no access to other processes.

Linux, seccomp(2). The filter is inherited by every thread and program, and cannot be removed.
"""

import ctypes
import errno
import os
import platform
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

SET_SECCOMP, FILTER_MODE = 22, 2
INSTRUCTION = struct.Struct("<HBBI")
LOAD, JUMP_IF_EQUAL, JUMP_IF_ANY_BIT, JUMP_IF_AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
NUMBER_OFFSET, ARCHITECTURE_OFFSET, ARGUMENT_OFFSET = 0, 4, 16
ALLOW, KILL_PROCESS, FAIL = 0x7FFF0000, 0x80000000, 0x00050000
THREAD_FLAG = 0x00010000
"""Flag of clone(2) of a thread; a call without it makes a process."""
X32_BIT = 0x40000000
"""Bit of the calls of another ABI of x86-64, whose numbers the filter would not recognize."""


@dataclass(frozen=True)
class Architecture:
    """Numbers of an architecture's system calls.

    Attributes:
        audit: Number by which the kernel names the architecture.
        denied: Calls that fail.
        clone: Call that makes threads and processes.
        clone3: Newer form of it, whose flags a filter cannot read.
        own: Calls that may name this process only: `kill`, `tgkill`.
        own_or_zero: Calls that may also name it by 0: `prlimit64`.
        socketpair: Call that connects two sockets with each other.
    """

    audit: int
    denied: Sequence[int]
    clone: int
    clone3: int
    own: Sequence[int]
    own_or_zero: Sequence[int]
    socketpair: int


ARCHITECTURES: Mapping[str, Architecture] = {
    "x86_64": Architecture(
        audit=0xC000003E,
        # socket fork vfork ptrace rt_sigqueueinfo tkill rt_tgsigqueueinfo process_vm_readv process_vm_writev
        # pidfd_send_signal io_uring_setup pidfd_getfd
        denied=(41, 57, 58, 101, 129, 200, 297, 310, 311, 424, 425, 438),
        clone=56,
        clone3=435,
        own=(62, 234),
        own_or_zero=(302,),
        socketpair=53,
    ),
    "aarch64": Architecture(
        audit=0xC00000B7,
        # socket ptrace rt_sigqueueinfo tkill rt_tgsigqueueinfo process_vm_readv process_vm_writev
        # pidfd_send_signal io_uring_setup pidfd_getfd
        denied=(198, 117, 138, 130, 240, 270, 271, 424, 425, 438),
        clone=220,
        clone3=435,
        own=(129, 131),
        own_or_zero=(261,),
        socketpair=199,
    ),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def filter_calls(library: ctypes.CDLL) -> None:
    """Filter the system calls of this process; `PR_SET_NO_NEW_PRIVS` must be set already.

    Raises:
        OSError: The kernel or the architecture has no such filter.
    """
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no filter of system calls for {machine}")
    code = b"".join(_list_instructions(ARCHITECTURES[machine], os.getpid()))
    program = _Program(len(code) // INSTRUCTION.size, code)
    if library.prctl(SET_SECCOMP, FILTER_MODE, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel refuses the filter of system calls (seccomp)")


def _list_instructions(found: Architecture, process: int) -> Iterator[bytes]:
    yield _write(LOAD, ARCHITECTURE_OFFSET)
    yield from _decide(JUMP_IF_EQUAL, found.audit, otherwise=KILL_PROCESS)
    yield _write(LOAD, NUMBER_OFFSET)
    yield _write(JUMP_IF_AT_LEAST, X32_BIT, no=1)
    yield _write(RETURN, KILL_PROCESS)
    for number in found.denied:
        yield from _end_call(number, FAIL | errno.EPERM)
    # the C library then makes its threads by `clone`
    yield from _end_call(found.clone3, FAIL | errno.ENOSYS)
    yield from _check_argument(found.clone, JUMP_IF_ANY_BIT, (THREAD_FLAG,))
    yield from _check_argument(found.socketpair, JUMP_IF_EQUAL, (socket.AF_UNIX,))
    for number in found.own:
        yield from _check_argument(number, JUMP_IF_EQUAL, (process,))
    for number in found.own_or_zero:
        yield from _check_argument(number, JUMP_IF_EQUAL, (0, process))
    yield _write(RETURN, ALLOW)


def _write(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """Write an instruction; a jump skips `yes` or `no` instructions."""
    return INSTRUCTION.pack(code, yes, no, value)


def _decide(jump: int, value: int, *, otherwise: int) -> Iterator[bytes]:
    yield _write(jump, value, yes=1)
    yield _write(RETURN, otherwise)


def _end_call(number: int, action: int) -> Iterator[bytes]:
    yield _write(JUMP_IF_EQUAL, number, no=1)
    yield _write(RETURN, action)


def _check_argument(number: int, jump: int, values: Sequence[int]) -> Iterator[bytes]:
    """Allow a call by its first argument, else let it fail."""
    yield _write(JUMP_IF_EQUAL, number, no=3 + len(values))
    yield _write(LOAD, ARGUMENT_OFFSET)
    for i, value in enumerate(values):
        yield _write(jump, value, yes=len(values) - i)
    yield _write(RETURN, FAIL | errno.EPERM)
    yield _write(RETURN, ALLOW)
