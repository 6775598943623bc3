"""The program of a run: one line for each step, as Python that runs by itself."""

from collections.abc import Mapping

from attrs import define, field

__all__ = ["Line", "Program"]


@define
class Line:
    """One step: the method, its arguments as used, and what came of it."""

    name: str
    arguments: dict[str, object]
    notes: list[str] = field(factory=list)

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        said = f"  # {'; '.join(self.notes)}" if self.notes else ""
        return f"state.{self.name}({given}){said}"


@define
class Program:
    """The steps of one run, in order; ``driver`` is the expression that names the driver."""

    driver: str
    options: Mapping[str, object] = field(factory=dict)
    lines: list[Line] = field(factory=list)

    def begin(self, name: str, arguments: Mapping[str, object]) -> Line:
        """Add a step that is about to run."""
        self.lines.append(Line(name, dict(arguments)))
        return self.lines[-1]

    def text(self) -> str:
        """The program, with its imports: it repeats the run by itself."""
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        head = [
            "from movable.stateful import driver_machine",
            "",
            f"state = driver_machine({self.driver}{options})()",
        ]
        return "\n".join([*head, *map(str, self.lines)])
