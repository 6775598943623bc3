"""What profilers see of a process, and what they cannot."""

import pytest

from movable import PAGE_SIZE, VM, ConfigError
from movable.placement import AccessedBits, AccessSampler


def test_the_sampler_takes_one_access_of_so_many() -> None:
    """Of many accesses the sampler sees one in `period`, from each CPU and of each page alike."""
    with VM("numa4") as vm:
        process = vm.process()
        address = process.mmap(4 * PAGE_SIZE)
        with AccessSampler(vm, 10, seed=3) as sampler:
            for number in range(8000):
                vm.cpu = number // 4000
                process.touch(address + number % 4 * PAGE_SIZE)
            seen = sampler.take()
    assert sum(count for nodes in seen.values() for count in nodes.values()) == pytest.approx(800, rel=0.05)
    for page in range(4):
        nodes = seen[process.pid, address + page * PAGE_SIZE]
        assert nodes[0] == pytest.approx(100, rel=0.35)
        assert nodes[1] == pytest.approx(100, rel=0.35)


def test_a_period_of_one_sees_everything() -> None:
    """With a period of 1 each page of each access is seen, at the start of its page."""
    with VM("numa4") as vm:
        process = vm.process()
        address = process.mmap(4 * PAGE_SIZE)
        with AccessSampler(vm, 1) as sampler:
            process.touch(address, 3 * PAGE_SIZE)
            process.write(address + PAGE_SIZE - 1, b"ab")
            process.read(address + 5, 7)
            seen = {key[1] - address: nodes for key, nodes in sampler.take().items()}
        assert seen == {0: {0: 3}, PAGE_SIZE: {0: 2}, 2 * PAGE_SIZE: {0: 1}}
        assert sampler.take() == {}
        process.touch(address)
        assert sampler.take() == {}


def test_no_loop_hides_from_the_sampler() -> None:
    """A loop as long as the period is seen on all its pages: the gaps between samples vary."""
    with VM("numa4") as vm:
        process = vm.process()
        address = process.mmap(8 * PAGE_SIZE)
        with AccessSampler(vm, 8) as sampler:
            for number in range(4000):
                process.touch(address + number % 8 * PAGE_SIZE)
            assert len(sampler.take()) == 8


def test_the_same_seed_samples_the_same() -> None:
    """A seed decides which accesses are sampled; another one samples others."""

    def samples(seed: int) -> dict[int, int]:
        with VM("numa4") as vm:
            process = vm.process()
            address = process.mmap(32 * PAGE_SIZE)
            with AccessSampler(vm, 6, seed=seed) as sampler:
                for number in range(500):
                    process.touch(address + number * 7 % 32 * PAGE_SIZE)
                return {key[1]: nodes[0] for key, nodes in sampler.take().items()}

    assert samples(1) == samples(1)
    assert samples(1) != samples(2)


def test_a_period_below_one_is_refused() -> None:
    """The message names the period."""
    with VM("numa4") as vm, pytest.raises(ConfigError, match=r"^period: must be 1 "):
        AccessSampler(vm, 0)


def test_accessed_bits_tell_whether_not_how_often() -> None:
    """A scan sees pages that were used since the last one, once each, on the node where the process was last."""
    with VM("numa4") as vm:
        process = vm.process()
        address = process.mmap(3 * PAGE_SIZE)
        with AccessedBits(vm) as bits:
            for _ in range(50):
                process.touch(address)
            vm.cpu = 1
            process.touch(address + PAGE_SIZE)
            first, second = (process.pid, address), (process.pid, address + PAGE_SIZE)
            assert bits.take() == {first: {1: 1}, second: {1: 1}}
            assert bits.take() == {}
            process.read(address + PAGE_SIZE, 1)
            assert bits.take() == {second: {1: 1}}
            process.read(address + 2 * PAGE_SIZE, 1)
            assert bits.take() == {}, "the zero page has no frame to move"


def test_accessed_bits_survive_ends_of_processes() -> None:
    """A process that ended is not scanned, and one that was not seen to run is left alone."""
    with VM("numa4") as vm:
        one, other = vm.process(), vm.process()
        other.touch(other.mmap(PAGE_SIZE))
        with AccessedBits(vm) as bits:
            one.touch(one.mmap(PAGE_SIZE))
            one.exit()
            assert bits.take() == {}
