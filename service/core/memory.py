"""The memory allocator of the process."""

import ctypes
import sys

M_MMAP_THRESHOLD = -3  # mallopt(3)
LARGE_BLOCK_BYTES = 262_144


def return_large_blocks() -> None:
    """Give large blocks back to the system as soon as they are freed.

    glibc raises its limit to the largest block freed so far, up to 32 MiB, and from then on keeps
    such blocks, for each thread: after 32 large pages 80 MB instead of 20 (measured).
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
