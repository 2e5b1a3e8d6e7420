"""Memory that is kept from step to step."""

import ctypes
import sys

MMAP_MAX, TRIM_THRESHOLD = -4, -1  # of glibc's mallopt
NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed, for each step asks for the same sizes again.

    Otherwise the system maps and zeroes every large tensor anew, a tenth to a fifth of a step on a CPU. Says whether
    this library can.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # not glibc
        return False
    return bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, NEVER))
