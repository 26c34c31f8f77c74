"""What a figure of a curve shows, whether it comes from a diagnosis with its names or from the bare statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fluctlab.report.figures.style import drawable
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from fluctlab.findings import Diagnosis
    from fluctlab.model import FloatArray
    from fluctlab.results import Decomposition, EpochSeries

__all__ = ["Scene", "scene_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Values on the scale of the axis: accuracies in percent, losses as logged.

    Attributes
    ----------
    epochs, values : numpy.ndarray, shape (n,)
    parts : Decomposition or None
    scale : float
        100 for an accuracy, 1 for a loss.
    axis : str
        Name of the horizontal axis.
    resumed_at : tuple of float
    examples : int or None
        Size of the validation set.
    training, rate : EpochSeries or None
        Training accuracy and learning rate to be drawn with it.
    """

    epochs: FloatArray
    values: FloatArray
    parts: Decomposition | None
    scale: float
    axis: str = "epoch"
    resumed_at: tuple[float, ...] = ()
    examples: int | None = None
    training: EpochSeries | None = None
    rate: EpochSeries | None = None

    @property
    def percent(self) -> bool:
        """Whether an accuracy is shown."""
        return self.scale > 1

    @property
    def unit(self) -> str:
        """Unit of differences, with the space before it."""
        return " pp" if self.percent else ""

    @property
    def typical(self) -> float:
        """Typical size of the values that can be drawn; 0 if there are none."""
        finite = np.abs(self.values[np.isfinite(self.values)])
        return float(np.median(finite)) if len(finite) else 0.0

    @classmethod
    def of_parts(cls, parts: Decomposition) -> Scene:
        """Make the scene of bare statistics."""
        scale = 100.0 if parts.unit == "pp" else 1.0
        return cls(parts.epochs, drawable(scale * parts.values), parts, scale)

    def shown(self, values: FloatArray) -> FloatArray:
        """Put values of the target's own unit on the scale of the axis."""
        return drawable(self.scale * values)

    def pieces(self) -> list[NDArray[np.intp]]:
        """Indices of the stretches over which the trend is one line: nothing was measured on the way of a jump."""
        changes = () if self.parts is None else self.parts.changes
        jumps = np.searchsorted(self.epochs, [change.epoch for change in changes if change.kind != "noise"])
        return [piece for piece in np.split(np.arange(len(self.epochs)), np.unique(jumps)) if len(piece)]


def scene_of(diagnosis: Diagnosis) -> Scene | None:
    """Make the scene of a diagnosis; None where there is no curve."""
    curves = diagnosis.curves
    if curves is None or not len(curves.target):
        return None
    parts = None if isinstance(diagnosis.decomposition, NotAssessed) else diagnosis.decomposition
    scale = 1.0 if curves.target.unit == "loss" else 100.0
    epochs, values = (curves.target.epochs, curves.target.values) if parts is None else (parts.epochs, parts.values)
    rate = curves.learning_rate
    return Scene(
        epochs=epochs,
        values=drawable(scale * values),
        parts=parts,
        scale=scale,
        axis="evaluation" if curves.axis == "evaluation" else "epoch",
        resumed_at=curves.resumed_at,
        examples=None if diagnosis.validation_size is None else diagnosis.validation_size.value,
        training=curves.training_accuracy if scale > 1 else None,
        rate=rate if rate is not None and len(rate) > 1 else None,
    )
