"""Compressors by name, and what becomes of a missing library (spec/drivers.md 3.9)."""

import errno
import random
from importlib.util import find_spec

import pytest

from movable import PAGE_SIZE, VM, MovableError
from movable_zsmalloc import ZramDevice, ZramError, ZramSysfs
from movable_zsmalloc.zram import BACKENDS, available, compressor

CHANCE = random.Random(9)
PAGES = [
    bytes(PAGE_SIZE),
    b"the quick brown fox " * 204 + bytes(16),
    CHANCE.randbytes(PAGE_SIZE),
    CHANCE.randbytes(1000).ljust(PAGE_SIZE, b"\0"),
]
LIBRARIES = [
    pytest.param(name, marks=pytest.mark.skipif(not available(name), reason=f"{name} is not installed"))
    for name in BACKENDS
]


@pytest.mark.parametrize("name", LIBRARIES)
def test_what_is_compressed_comes_back(vm: VM, name: str) -> None:
    """Every algorithm gives each page back, also out of an object that spans two pages of memory."""
    device = ZramDevice(vm, algorithm=name)
    device.init(64 * PAGE_SIZE)
    for index in range(64):
        device.write_page(index, PAGES[index % 4])
    assert all(device.read_page(index) == PAGES[index % 4] for index in range(64))
    assert 0 < device.stored_length(1) < 500
    assert device.stored_length(2) == PAGE_SIZE


@pytest.mark.parametrize("name", LIBRARIES)
def test_compressors_take_any_buffer(name: str) -> None:
    """Pages may be views, as they are when they lie in memory of the machine."""
    codec = compressor(name)
    packed = codec.compress(bytes(PAGES[1]))
    assert codec.decompress(memoryview(packed)) == PAGES[1]


def without_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the standard library is there."""
    monkeypatch.setattr(
        "movable_zsmalloc.zram.compressors.find_spec",
        lambda name: find_spec(name) if name == "zlib" else None,
    )


def test_the_list_has_brackets_around_the_chosen_one(vm: VM) -> None:
    """The built-in order of 4.9, each name followed by a blank, the chosen one in brackets (3.9)."""
    files = ZramSysfs(ZramDevice(vm, algorithm="deflate"))
    text = files.read("comp_algorithm")
    order = [name for name in ("lzo", "lz4", "deflate", "lz4hc") if available(name)]
    assert text == "".join(f"[{name}] " if name == "deflate" else f"{name} " for name in order) + "\n"
    files.write("comp_algorithm", f"{order[0]}\n")
    assert files.read("comp_algorithm").startswith(f"[{order[0]}] ")


@pytest.mark.skipif(not available("zstd"), reason="zstd is not installed")
def test_one_that_is_not_built_in_is_appended(vm: VM) -> None:
    """An algorithm outside the built-in list comes last, in brackets, while it is chosen (3.9)."""
    files = ZramSysfs(ZramDevice(vm, algorithm="deflate"))
    assert "zstd" not in files.read("comp_algorithm")
    files.write("comp_algorithm", "zstd")
    assert files.read("comp_algorithm").endswith(" [zstd] \n")


@pytest.mark.parametrize("name", ["bogus", "", "LZ4", "lz4 ", "lzo-rle", "842", "x" * 200])
def test_an_unknown_algorithm(vm: VM, name: str) -> None:
    """A name that is not known is EINVAL, before set-up and after, and the choice stays (3.7)."""
    device = ZramDevice(vm, algorithm="deflate")
    for _ in range(2):
        with pytest.raises(ZramError) as caught:
            ZramSysfs(device).write("comp_algorithm", name)
        assert caught.value.errno == errno.EINVAL
        assert device.compressor.name == "deflate"
        if device.pool is None:
            device.init(PAGE_SIZE)
    with pytest.raises(MovableError, match=r"algorithm: .* is none of lzo, lz4, deflate"):
        ZramDevice(vm, algorithm=name)


@pytest.mark.parametrize(
    ("name", "extra"), [("lz4", "zram"), ("lz4hc", "zram"), ("lzo", "lzo"), ("zstd", "zstd")]
)
def test_a_missing_library_is_named_with_its_extra(
    vm: VM, monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    """Without the library the error says which extra to install; the list leaves the algorithm out."""
    without_libraries(monkeypatch)
    with pytest.raises(MovableError, match=rf"{name} needs .* pip install 'movable\[{extra}\]'"):
        ZramDevice(vm, algorithm=name)
    device = ZramDevice(vm, algorithm="deflate")
    files = ZramSysfs(device)
    assert files.read("comp_algorithm") == "[deflate] \n"
    with pytest.raises(ZramError, match=rf"movable\[{extra}\]") as caught:
        files.write("comp_algorithm", name)
    assert caught.value.errno == errno.EINVAL


def test_extras_are_those_of_the_distribution() -> None:
    """Every extra that a message tells to install exists, and brings the module's library."""
    from importlib.metadata import metadata

    extras = set(metadata("movable").get_all("Provides-Extra") or [])
    assert {backend.extra for backend in BACKENDS.values() if backend.extra} <= extras
