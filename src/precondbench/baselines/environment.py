"""What a run ran on: versions and machines, for the record."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import precondbench

__all__ = ["describe_environment", "device_name"]

_PACKAGES = ("torch", "torch-geometric", "numpy", "scipy")


def device_name(device: torch.device) -> str:
    """Return the name of a GPU, or of the processor where its system tells it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe_environment(device: torch.device, processes: int) -> dict[str, Any]:
    """Return versions, device and number of processes, as plain types."""
    return {
        "precondbench": precondbench.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "device": str(device),
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "processes": processes,
    }
