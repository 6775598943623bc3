"""Builds the C core as the extension module ``movable._core`` (cffi, API mode, stable ABI)."""

import re
from pathlib import Path

import cffi

HERE = Path("sdk/movable/core")

# What the entry points need of other headers.
PREAMBLE = """
#define BROKEN ...
#define NR_WMARK 3
#define MAX_NR_ZONES 4
"""


def declarations(header: str) -> str:
    """The header's text as cffi wants it: without the lines of the preprocessor."""
    return re.sub(r"(?m)^#.*$", "", (HERE / header).read_text())


ffi = cffi.FFI()
ffi.cdef(PREAMBLE + declarations("boot.h") + declarations("entry_points.h"))
ffi.set_source(
    "movable._core",
    '#include "api.h"',
    sources=sorted(str(source) for source in HERE.glob("*.c")),
    depends=sorted(str(header) for header in [*HERE.glob("*.h"), *Path("sdk/movable/include").rglob("*.h")]),
    include_dirs=[str(HERE), "sdk/movable/include"],
    define_macros=[("Py_LIMITED_API", "0x030b0000")],
    extra_compile_args=["-std=gnu11", "-O2", "-fvisibility=hidden", "-fno-strict-aliasing"],
)

if __name__ == "__main__":
    ffi.compile(verbose=True)
