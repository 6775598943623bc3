"""Size classes and encodings (spec/drivers.md 1.1-1.4, 7.1, 7.5)."""

import pytest

from movable_zsmalloc import (
    class_shapes,
    get_size_class_index,
    location_to_obj,
    obj_index_bits,
    obj_to_location,
    zs_huge_class_size,
)

# index run, slot size, pages, objects (spec/drivers.md 1.3)
TABLE = """
0 32 1 128; 1 48 3 256; 2 64 1 64; 3 80 1 51; 4 96 3 128; 5 112 2 73; 6 128 1 32; 7 144 3 85; 8 160 2 51;
9 176 4 93; 10 192 3 64; 11 208 2 39; 12 224 4 73; 13 240 1 17; 14 256 1 16; 15 272 1 15; 16 288 1 14;
17 304 3 40; 18 320 4 51; 19 336 1 12; 20 352 2 23; 21 368 1 11; 22 384 3 32; 23 400 1 10; 24 416 4 39;
25 432 3 28; 26 448 1 9; 27 464 4 35; 28 480 2 17; 29 496 4 33; 30 512 1 8; 31 528 4 31; 32 544 2 15;
33 560 4 29; 34 576 1 7; 35 592 4 27; 36 608 3 20; 37 624 2 13; 38 640 3 19; 39-40 672 1 6; 41-42 704 4 23;
43 720 3 17; 44 736 2 11; 45-46 768 3 16; 47-49 816 1 5; 50-51 848 4 19; 52 864 3 14; 53-54 896 2 9;
55-57 944 3 13; 58 960 4 17; 59-62 1024 1 4; 63-66 1088 4 15; 67 1104 3 11; 68-71 1168 2 7; 72-74 1216 3 10;
75-76 1248 4 13; 77-83 1360 1 3; 84-91 1488 4 11; 92-94 1536 3 8; 95-100 1632 2 5; 101-107 1744 3 7;
108-111 1808 4 9; 112-126 2048 1 2; 127-144 2336 4 7; 145-151 2448 3 5; 152-168 2720 2 3; 169-190 3072 3 4;
191-202 3264 4 5; 203-254 4096 1 1
"""
ROWS = [
    (range(int(run.split("-")[0]), int(run.split("-")[-1]) + 1), int(size), int(pages), int(objects))
    for run, size, pages, objects in (row.split() for row in TABLE.split(";"))
]


def test_there_are_69_classes_behind_255_indices() -> None:
    """255 indices lead to 69 classes; the largest that is not huge has slots of 3264 (spec/drivers.md 8, 12)."""
    shapes = class_shapes()
    assert len(shapes) == 255
    assert len(ROWS) == len(set(shapes)) == 69
    assert max(shape.size for shape in shapes if not shape.huge) == 3264


@pytest.mark.parametrize(("indices", "size", "pages", "objects"), ROWS, ids=str)
def test_a_row_of_the_table(indices: range, size: int, pages: int, objects: int) -> None:
    """All indices of a run lead to one class, which has the largest index of the run (spec/drivers.md 1.3; 8, 16)."""
    for index in indices:
        shape = class_shapes()[index]
        assert (shape.index, shape.size) == (indices[-1], size)
        assert (shape.pages_per_zspage, shape.objs_per_zspage) == (pages, objects)


@pytest.mark.parametrize(("size", "pages", "objects"), [(3264, 4, 5), (3072, 3, 4)])
def test_pages_are_chosen_by_use(size: int, pages: int, objects: int) -> None:
    """Size 3264 uses 4 pages for 5 objects, 3072 uses 3 for 4 (spec/drivers.md 8, 15)."""
    (shape,) = {shape for shape in class_shapes() if shape.size == size}
    assert (shape.pages_per_zspage, shape.objs_per_zspage) == (pages, objects)


def test_one_class_is_huge() -> None:
    """Only the class of 4096 is huge: it serves indices 203 to 254 and has no header (spec/drivers.md 1.2)."""
    huge = [index for index, shape in enumerate(class_shapes()) if shape.huge]
    assert huge == list(range(203, 255))
    assert {class_shapes()[index].header for index in huge} == {0}
    assert {shape.header for shape in class_shapes() if not shape.huge} == {8}


PAYLOADS = """
1 24:0; 25 40:1; 41 56:2; 100:5; 120:6; 121 128:7; 248:14; 500:30; 512:31; 1000 1016:62; 1017 1024:66; 1353:91;
1500:94; 2000 2040:126; 2041 2048 2328:144; 2329:151; 2712:168; 2713 3000 3064:190; 3065 3072 3256:202;
3257 4088 4096:254
"""


@pytest.mark.parametrize(
    ("payload", "index"),
    [
        (int(payload), int(row.split(":")[1]))
        for row in PAYLOADS.split(";")
        for payload in row.split(":")[0].split()
    ],
)
def test_a_payload_goes_to_its_class(payload: int, index: int) -> None:
    """The payloads of spec/drivers.md 7.1 lead to their classes (8, 13)."""
    assert class_shapes()[get_size_class_index(payload)].index == index


def test_the_huge_class_begins_at_3257() -> None:
    """A payload of 3256 is packed, one of 3257 is not (spec/drivers.md 1.2)."""
    assert zs_huge_class_size() == 3257
    assert not class_shapes()[get_size_class_index(3256)].huge
    assert class_shapes()[get_size_class_index(3257)].huge


@pytest.mark.parametrize(
    ("bits", "pfn", "index", "obj"),
    [
        (29, 0x12345, 0, 0x48D140000000),
        (29, 0x12345, 3, 0x48D140000006),
        (29, 0xABCDE, 72, 0x2AF3780000090),
        (27, 0x12345, 3, 0x123450000006),
        (23, 0xABCDE, 72, 0xABCDE000090),
        (11, 0x12345, 3, 0x12345006),
    ],
)
def test_an_object_value(bits: int, pfn: int, index: int, obj: int) -> None:
    """Frame and slot are packed as in spec/drivers.md 7.5, and unpacked with or without the pin bit."""
    assert location_to_obj(pfn, index, bits) == obj
    assert obj_to_location(obj, bits) == obj_to_location(obj | 1, bits) == (pfn, index)


@pytest.mark.parametrize(
    ("physmem", "word", "bits"), [(46, 64, 29), (48, 64, 27), (52, 64, 23), (32, 32, 11)]
)
def test_the_bits_left_for_the_slot(physmem: int, word: int, bits: int) -> None:
    """What the frame number leaves of a word, less the tag bit (spec/drivers.md 1.1)."""
    assert obj_index_bits(physmem, word) == bits
