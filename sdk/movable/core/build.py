"""Builds the C core as the extension module ``movable._core`` (cffi, API mode, stable ABI)."""

from pathlib import Path

import cffi

HERE = Path("sdk/movable/core")

ffi = cffi.FFI()
ffi.cdef((HERE / "movable.cdef.h").read_text())
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
