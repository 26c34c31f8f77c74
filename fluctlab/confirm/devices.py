"""Where to train: what the user names, or what there is."""

from __future__ import annotations

import torch

from fluctlab.errors import UsageError

__all__ = ["device_of"]


def device_of(device: str) -> str:
    """Return the device of PyTorch's for ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    UsageError
        If it is none of these, or not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if device not in there:
        raise UsageError(f"there is no device {device!r}; auto, cpu, cuda and mps are known")
    if not there[device]:
        raise UsageError(f"PyTorch finds no device {device!r} here; --device auto takes what there is")
    return device
