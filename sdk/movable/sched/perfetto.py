"""A run in the JSON that ui.perfetto.dev and chrome://tracing open: a track for each CPU."""

import json
from typing import Any

from movable.sched.trace import CALLBACKS, Event, Step, Trace

__all__ = ["chrome_trace"]


def chrome_trace(trace: Trace, *, title: str, failure: str | None = None) -> str:
    """The run as JSON text (trace event format). A step takes one microsecond; no other time passes.

    Operations and callbacks are slices with their steps inside; ``failure`` marks the end.
    """
    steps = trace.steps
    events: list[dict[str, Any]] = [_named("process_name", 0, title)]
    events += [_named("thread_name", cpu, f"CPU {cpu}") for cpu in sorted({step.cpu for step in steps})]
    open_: dict[int, list[str]] = {}
    for step in steps:
        events += _slices(trace, step, open_.setdefault(step.cpu, []))
    for cpu, names in open_.items():
        events += [_event("E", name, cpu, len(steps)) for name in reversed(names)]
    if failure is not None and steps:
        events.append(_event("i", failure, steps[-1].cpu, len(steps)) | {"s": "g"})
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}, indent=1) + "\n"


def _slices(trace: Trace, step: Step, open_: list[str]) -> list[dict[str, Any]]:
    """The events of one step; ``open_`` are the slices that its CPU is in."""
    text, cpu, time = trace.text(step), step.cpu, step.number
    events: list[dict[str, Any]] = []
    if step.event in (Event.OP, Event.END):
        events += [_event("E", name, cpu, time) for name in reversed(open_)]
        open_.clear()
    if step.event is Event.OP:
        open_.append(trace.describe_op(cpu, step.id))
        events.append(_event("B", open_[-1], cpu, time))
    elif step.event in CALLBACKS:
        open_.append(text)
        events.append(_event("B", open_[-1], cpu, time))
    elif step.event is Event.RETURN and len(open_) > 1:
        events.append(_event("E", open_.pop(), cpu, time))
    elif step.event is not Event.START:
        events.append(_event("X", text, cpu, time) | {"dur": 1})
    if step.preempts:
        events.append(_event("i", f"preempted by CPU {step.chosen}", cpu, time) | {"s": "t"})
    return events


def _event(phase: str, name: str, cpu: int, time: int) -> dict[str, Any]:
    return {"ph": phase, "name": name, "pid": 1, "tid": cpu, "ts": time}


def _named(what: str, cpu: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": 1, "tid": cpu, "args": {"name": name}}
