"""Scenarios as TOML: what they say, and what is refused by the name of its field."""

from pathlib import Path

import pytest

from movable import ConfigError
from movable.numa import (
    AreaSpec,
    ProcessSpec,
    World,
    load_scenario,
    loads_scenario,
    scenario,
    workload_text,
    workloads,
)
from movable.numa.steps import STEP_KINDS

PROCESS = '[[processes]]\nname = "p"\n'
AREA = PROCESS + '[[processes.areas]]\nname = "a"\n'


def test_a_scenario_is_read_as_it_stands() -> None:
    """Fields keep their values, sizes count in pages, steps are found by their do."""
    found = loads_scenario(
        'summary = "s"\nmachine = "numa4"\nswap = "1MiB"\n'
        + AREA
        + 'size = "16KiB"\npattern = "hot"\naccesses = 5\nwrites = 0\n[[steps]]\ndo = "run"\nrounds = 3\n'
    )
    area = AreaSpec("a", 4, pattern="hot", accesses=5, writes=0)
    assert found.processes == (ProcessSpec("p", areas=(area,)),)
    assert (found.summary, found.swap) == ("s", 256)
    assert found.steps == (STEP_KINDS["run"](rounds=3),)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "not TOML"),
        ('machin = "tiny"', "machin: unknown key; the keys here are summary, machine"),
        ("swap = 1.5", "swap: must be a number of pages or a size"),
        ("processes = 3", "processes: must be a list"),
        ("[[processes]]", r"processes\[0\].name: is missing"),
        ('[[processes]]\nname = ""', r"processes\[0\].name: must be a name of its own"),
        (PROCESS + PROCESS, r"processes\[1\].name: must be a name of its own, not 'p'"),
        (PROCESS + 'cpu = "0"', r"processes\[0\].cpu: must be an integer"),
        (PROCESS + 'cpuset = "/x"', r"processes\[0\].cpuset: there is no cpuset '/x'"),
        (AREA, r"processes\[0\].areas\[0\].pages: is missing"),
        (AREA + "pages = 0", r"processes\[0\].areas\[0\].pages: must be 1 or more"),
        (AREA + "pages = 1\nsize = 1", r"processes\[0\].areas\[0\]: has both size and pages"),
        (AREA + 'pages = 1\nfile = "f"', r"areas\[0\].file: there is no file 'f'; there is none"),
        (AREA + "pages = 1\naccesses = -1", r"areas\[0\].accesses: must be 0 or more"),
        (AREA + "pages = 1\nwrites = 101", r"areas\[0\].writes: must be 0 to 100"),
        (AREA + 'pages = 1\ntouch = "yes"', r"areas\[0\].touch: must be one of write, read, none"),
        ('[[cpusets]]\npath = "x"\nmems = "0"', r"cpusets\[0\].path: must be /NAME"),
        ('[[cpusets]]\npath = "/x/y"\nmems = "0"', r"cpusets\[0\].path: must be /NAME"),
        ("[[steps]]\nrounds = 1", r'steps\[0\]: needs do = "..." with one of run'),
        ('[[steps]]\ndo = "jump"', r"steps\[0\]: needs do = .* not 'jump'"),
        ('[[steps]]\ndo = "cpu"\ncpu = 1', r"steps\[0\].process: is missing"),
        ('[[steps]]\ndo = "run"\nround = 1', r"steps\[0\].round: unknown key; the keys here are rounds"),
        ('[[steps]]\ndo = "run"\nrounds = "9"', r"steps\[0\].rounds: must be an integer"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(text: str, message: str) -> None:
    """The message starts with the path of the field."""
    with pytest.raises(ConfigError, match=f"^{message}" if not message.startswith("areas") else message):
        loads_scenario(text)


STEPS = {
    'do = "run"\nrounds = 0': "rounds: must be 1 or more",
    'do = "cpu"\nprocess = "q"\ncpu = 0': "process: there is no 'q'; there is 1 \\(p\\)",
    'do = "cpu"\nprocess = "p"\ncpu = 2': "cpu: this machine has CPUs 0 to 1, not 2",
    'do = "touch"\nprocess = "p"\narea = "b"': "area: process 'p' has no area 'b'; it has a",
    'do = "touch"\nprocess = "p"\narea = "a"\nfirst = 4': "first, pages: area 'a' has pages 0 to 3",
    'do = "fork"\nprocess = "p"\nname = "p"': "name: there is a process 'p' already",
    'do = "set_mempolicy"\nprocess = "p"\npolicy = "x"': "policy: 'x' is no policy",
    'do = "set_mempolicy"\nprocess = "p"\npolicy = "bind:7"': "policy: '7': node 7 is out of range",
    'do = "migrate_pages"\nprocess = "p"\nold = "0"\nnew = "9"': "TO: '9': node 9 is out of range",
    'do = "move_pages"\nprocess = "p"\narea = "a"\nnode = 9': "move_pages: .*ENODEV",
    'do = "cpuset"\npath = "/"\nfile = "cpuset.mems"\ntext = "0"': "EACCES",
    'do = "attach"\nprocess = "p"\npath = "/x"': "path: there is no cpuset '/x'; there is /",
    'do = "reclaim"\nnode = 4\npages = 1': "node: must be 0 to 3, not 4",
}


@pytest.mark.parametrize(
    "step", STEPS, ids=[f"{number}-{step.split(chr(34))[1]}" for number, step in enumerate(STEPS)]
)
def test_a_step_that_fails_is_named(step: str) -> None:
    """The message starts with the step, and says what to change or which errno the kernel gave."""
    found = loads_scenario(AREA + f"pages = 4\n[[steps]]\n{step}")
    with World(found) as world, pytest.raises(Exception, match=rf"^steps\[0\] \(\w+\): .*{STEPS[step]}"):
        world.run()


def test_files_are_read_with_their_machine_beside_them(tmp_path: Path) -> None:
    """A scenario's file names it, and a machine's file is looked for in the same folder."""
    path = tmp_path / "mine.toml"
    path.write_text('machine = "lab.toml"\n' + PROCESS)
    found = load_scenario(path)
    assert found.name == "mine"
    assert found.machine == str(tmp_path / "lab.toml")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A missing file, one that is no text, and one that is wrong inside start with their name."""
    with pytest.raises(ConfigError, match=r"nowhere.toml: cannot be read"):
        scenario("nowhere.toml")
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"bad.toml: "):
        scenario(str(path))
    path.write_text("swap = true")
    with pytest.raises(ConfigError, match=r"bad.toml: swap: "):
        scenario(str(path))
    with pytest.raises(ConfigError, match=r"workload: none is called 'nope'; choose one of "):
        scenario("nope")


@pytest.mark.parametrize("name", workloads())
def test_ready_workloads_run(name: str) -> None:
    """Every workload of the package has a summary, runs, and every byte is where it belongs."""
    assert workloads()[name]
    assert loads_scenario(workload_text(name)).processes
    with World(scenario(name)) as world:
        world.run()
        assert world.rounds
        assert world.check_contents() > 0
