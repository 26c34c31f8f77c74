"""What is known of a cause, as data: the sections of its page, and real trainings that show it and its look-alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from fluctlab.model import FloatArray

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

__all__ = ["Ending", "Example", "Explanation", "Paragraph", "Piece", "PieceKind", "Section", "Weight"]

PieceKind: TypeAlias = Literal["", "code", "emphasis", "link"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text of one kind; ``target`` is the address of a link."""

    text: str
    kind: PieceKind = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph, or an item of a list."""

    pieces: tuple[Piece, ...]
    item: bool = False

    @property
    def text(self) -> str:
        """The words without their kinds."""
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it."""

    heading: str
    paragraphs: tuple[Paragraph, ...]


@dataclass(frozen=True, slots=True)
class Weight:
    """What a clue is worth: log-odds of the cause against a healthy run when it lies fully on one side."""

    clue: str
    speaks_for: float
    speaks_against: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a training came to, as means over its last tenth; accuracies are fractions.

    Attributes
    ----------
    validation_accuracy, training_accuracy : float
        As logged.
    true_accuracy : float
        On a large independent sample, which no log holds.
    true_accuracy_without : float or None
        The same of the same training without the fault; None for a healthy one.
    noise_pp : float
        Noise of the validation accuracy from epoch to epoch in the last third, in percentage points.
    """

    validation_accuracy: float
    training_accuracy: float
    true_accuracy: float
    true_accuracy_without: float | None
    noise_pp: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """A real training that shows a cause. Arrays have shape (epochs,), in the order of training.

    Attributes
    ----------
    cause : str
        Name of what was at fault, or ``healthy``.
    caption : str
        Images, network and what was at fault, in words.
    epochs : numpy.ndarray
        As counted in the log; a resumed training may count some twice.
    validation_accuracy, training_accuracy, validation_loss, training_loss, learning_rate : numpy.ndarray
        Accuracies are fractions; what was no number is NaN.
    ending : Ending
        What the training came to.
    """

    cause: str
    caption: str
    epochs: FloatArray
    validation_accuracy: FloatArray
    training_accuracy: FloatArray
    validation_loss: FloatArray
    training_loss: FloatArray
    learning_rate: FloatArray
    ending: Ending


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """The page of a cause.

    Attributes
    ----------
    name, family, title : str
        Names of the contract, and the cause in one line.
    sections : tuple of Section
        The page, in the order in which it is read.
    shows, look_alike : Example or None
        A training with this fault, and one that is easily taken for it; None where the lab has none.
    weighed : tuple of Weight
        What each clue is worth, those that count most first. Empty where that is not calibrated.
    relatives : tuple of str
        The other causes of the family.
    """

    name: str
    family: str
    title: str
    sections: tuple[Section, ...]
    shows: Example | None = None
    look_alike: Example | None = None
    weighed: tuple[Weight, ...] = ()
    relatives: tuple[str, ...] = ()

    def __repr__(self) -> str:
        drawn = "no example" if self.shows is None else f"example: {self.shows.caption}"
        return f"Explanation({self.name!r}: {self.title}; {drawn}); .text, .plot(), .write_html()"

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        from fluctlab.report import explanation_html

        return explanation_html.snippet(self)

    def __getitem__(self, heading: str) -> str:
        for section in self.sections:
            if section.heading == heading:
                return "\n".join(paragraph.text for paragraph in section.paragraphs)
        raise KeyError(f"{heading!r}; the headings are {[s.heading for s in self.sections]}")

    @property
    def text(self) -> str:
        """The page as plain text, 80 cells wide."""
        from fluctlab.report import explanation_text

        return explanation_text.render(self, width=80, colour=False, ascii_only=False)

    def plot(self) -> Figure | None:
        """Draw the example beside its look-alike; None where there is no example."""
        from fluctlab.report.figures import examples

        return examples.examples_figure(self)

    def write_html(self, path: str | Path) -> Path:
        """Write the self-contained HTML page; return its path."""
        from fluctlab.report import explanation_html

        return explanation_html.write(self, path)
