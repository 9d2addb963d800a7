"""Confinement of the process that runs a submission: limits, Landlock and a filter of system calls.

Only the Linux kernel can confine a process without help from outside. The rules are set by the
process itself, before it imports anything of the submission, and cannot be lifted again.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from pathlib import Path

# Numbers of system calls: x86-64, aarch64.
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
# New processes and programs, other processes, sockets, what outlives a process or is not counted
# as its memory, properties of files that Landlock does not guard, ways around a filter.
_DENIED = {
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "setsid": (112, 157), "setpgid": (109, 154), "unshare": (272, 97), "setns": (308, 268),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "tkill": (200, 130),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "setpriority": (141, 140),
    "ioprio_set": (251, 30), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
    "sched_setattr": (314, 274), "migrate_pages": (256, 238), "move_pages": (279, 239),
    "socket": (41, 198), "bpf": (321, 280), "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425), "userfaultfd": (323, 282), "memfd_create": (319, 279),
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "mount": (165, 40), "chroot": (161, 51), "open_by_handle_at": (304, 265),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "setxattrat": (463, 463), "removexattrat": (466, 466),
}  # fmt: skip
# Allowed for the process itself alone.
_OWN = {"kill": (62, 129), "tgkill": (234, 131), "prlimit64": (302, 261),
        "sched_setaffinity": (203, 122)}  # fmt: skip
_CLONE, _CLONE3, _PRCTL = (56, 220), (435, 435), (157, 167)
_CLONE_THREAD = 0x10000
_X32 = 0x40000000
_SET_PDEATHSIG, _SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 1, 38, 22, 2
# Classic BPF.
_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = (1 << k for k in (0, 1, 2, 3, 14))
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
# Version of Landlock -> how many rights on files it handles. Version 3 guards truncation.
_RIGHTS = {3: 15, 4: 15}
_OLDEST = 3


def can_confine() -> str:
    """Return why this machine cannot confine a process, or an empty text.

    >>> isinstance(can_confine(), str)
    True
    """
    if platform.system() != "Linux":
        return f"{platform.system()} has no Landlock"
    if platform.machine() not in _MACHINES:
        return f"no filter of system calls is known for {platform.machine()}"
    version = _landlock_version()
    if version < _OLDEST:
        return "the Linux kernel has no Landlock, or one older than 6.2"
    return ""


def limit(memory: int, file_size: int, seconds: float) -> None:
    """Bound memory, sizes of files and processor time of this process for good."""
    import resource

    bounds = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_FSIZE: file_size,
        resource.RLIMIT_CPU: int(seconds) + 60,  # If the parent is gone; it watches the clock.
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 256,
    }
    for kind, bound in bounds.items():
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            bound = min(bound, hard)
        resource.setrlimit(kind, (bound, bound))


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent dies; Linux only."""
    if platform.system() == "Linux":
        _call("prctl", _SET_PDEATHSIG, 9, 0, 0, 0)


def confine(readable: Iterable[Path], writable: Path) -> None:
    """Leave this process some folders, and no other processes, programs or network.

    Parameters
    ----------
    readable : iterable of Path
        Files and folders that may be read, and libraries in them loaded; those that do not exist
        are left out.
    writable : Path
        The folder that may be written to.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    _call("prctl", _SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _landlock(readable, writable)
    _filter_calls()


def _landlock_version() -> int:
    library = ctypes.CDLL(None, use_errno=True)
    return int(library.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))


def _landlock(readable: Iterable[Path], writable: Path) -> None:
    version = _landlock_version()
    rights = (1 << _RIGHTS.get(version, 16)) - 1
    # Rights on files; on TCP, since version 4; signals and abstract sockets, since version 6.
    handled = struct.pack("=QQQ", rights, 3, 3)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _call("syscall", _CREATE_RULESET, handled, len(handled), 0)
    rules = [(path, _READ) for path in readable]
    rules += [(Path("/dev/null"), _READ_FILE | _WRITE_FILE), (writable, rights)]
    for path, allowed in rules:
        if not path.exists():
            continue
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not path.is_dir():
            allowed &= _OF_FILES
        rule = struct.pack("=Qi", allowed, place)
        _call("syscall", _ADD_RULE, ruleset, 1, rule, 0)
        os.close(place)
    _call("syscall", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _filter_calls() -> None:
    column, architecture = _MACHINES[platform.machine()]
    deny = [(_RETURN, 0, 0, _ERROR | errno.EPERM)]
    allow = [(_RETURN, 0, 0, _ALLOW)]
    argument = [(_LOAD, 0, 0, _ARGUMENT)]
    program = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), *deny]
    program += [(_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, _X32), *deny]

    def on(number: int | None, then: list[tuple[int, int, int, int]]) -> None:
        if number is not None:
            program.extend([(_EQUAL, 0, len(then), number), *then])

    for numbers in _DENIED.values():
        on(numbers[column], deny)
    for numbers in _OWN.values():
        mine = [(_EQUAL, 2, 0, 0), (_EQUAL, 1, 0, os.getpid())]
        on(numbers[column], [*argument, *mine, *deny, *allow])
    on(_CLONE[column], [*argument, (_HAS_BITS, 1, 0, _CLONE_THREAD), *deny, *allow])
    # Its flags are in memory, where a filter cannot look; the C library then uses clone.
    on(_CLONE3[column], [(_RETURN, 0, 0, _ERROR | errno.ENOSYS)])
    on(_PRCTL[column], [*argument, (_EQUAL, 0, 1, _SET_PDEATHSIG), *deny, *allow])
    program += allow
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(code))
    _call("prctl", _SET_SECCOMP, _FILTER, header, 0, 0)


def _call(name: str, *arguments: int | bytes) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    given = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in arguments]
    result = int(getattr(library, name)(*given))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
