"""What a step needs to run, as advice to whoever starts it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class StepResources:
    """The least hardware on which a step can run. Nothing is checked, and nothing of it enters the step's id."""

    machine: str | None = None
    cpu_count: float | None = None
    """Logical processors; fractions are allowed."""
    gpu_count: int | None = None
    gpu_type: str | None = None
    memory: str | None = None
    """A number with a unit, such as ``2.5GiB`` or ``1024m``."""
    shared_memory: str | None = None
    """Size of /dev/shm, written like `memory`."""
