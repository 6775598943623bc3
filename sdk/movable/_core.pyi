"""The C core, as cffi presents it: any attribute of ``lib`` is a function or constant of the cdef."""

from typing import Any

ffi: Any
lib: Any
