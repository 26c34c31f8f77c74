"""What happens when: regimes with their noise, changes, resumptions and periods, written in lanes above the curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fluctlab.report.figures import style as st
from fluctlab.report.quantities import TIMES, amount, count, plain
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fluctlab.report.figures.layout import Canvas, Lanes
    from fluctlab.report.figures.scene import Scene
    from fluctlab.results import Change, Decomposition, Estimate, Segment

__all__ = ["change_marks", "draw_events", "shade_regimes"]

_REGIME_ROW, _LABEL_ROWS = 0, (1, 2, 3)
_SHADE = "#f3f3f6"
_RESUMED: dict[str, Any] = {"color": st.BLACK, "lw": 1.2, "ls": (0, (1, 2)), "zorder": 2.1}


def draw_events(made: Canvas, scene: Scene) -> None:
    """Shade the regimes, mark changes and resumptions in every panel, and name them in the lanes of the first."""
    panels = [axes for axes, panel in zip(made.axes, made.panels, strict=True) if panel.shared]
    lanes = made.lanes[0]
    assert lanes is not None
    if scene.parts is not None:
        for axes in panels:
            shade_regimes(axes, scene.parts)
        _name_regimes(lanes, scene.parts)
        change_marks(panels, scene.parts)
    for at in scene.resumed_at:
        for number, axes in enumerate(panels):
            axes.axvline(at, label="" if number else "a later process took over", **_RESUMED)
    _name_changes(lanes, scene)
    if scene.parts is not None:
        _name_periods(lanes, scene.parts, scene)


def shade_regimes(axes: Axes, parts: Decomposition) -> None:
    """Shade every second stretch between changes."""
    for segment, following in zip(parts.segments[1::2], [*parts.segments[2::2], None], strict=False):
        end = segment.end_epoch if following is None else following.start_epoch
        axes.axvspan(segment.start_epoch, end, color=_SHADE, lw=0, zorder=0.1)


def change_marks(panels: list[Axes], parts: Decomposition) -> None:
    """Draw a line at each change: dashed where the logged learning rate pointed to it, dotted where the curve alone."""
    named: set[str] = set()
    for change in parts.changes:
        from_rate = change.source == "learning-rate"
        words = "change where the learning rate changed" if from_rate else "change seen in the curve alone"
        for number, axes in enumerate(panels):
            axes.axvline(change.epoch, label="" if number or change.source in named else words, **_line(change))
        named.add(change.source)


def _name_regimes(lanes: Lanes, parts: Decomposition) -> None:
    ends = [segment.start_epoch for segment in parts.segments[1:]] + [float(parts.epochs[-1])]
    for segment, end in zip(parts.segments, ends, strict=True):
        if isinstance(segment.noise, NotAssessed) or not np.isfinite(segment.noise.value):
            continue
        size = _noise_words(parts, segment, segment.noise)
        lanes.over(segment.start_epoch, end, [f"noise {size}", size], [_REGIME_ROW], "#555555")


def _noise_words(parts: Decomposition, segment: Segment, noise: Estimate) -> str:
    """Say how large the noise of a regime is; where it fades or grows along it, from what to what."""
    along = parts.noise_sd[segment.start_index : segment.stop_index]
    if len(along) >= 10:
        early, late = float(along[len(along) // 6]), float(along[-1])
        if min(early, late) > 0 and not 0.5 <= late / early <= 2.0:
            return f"{plain(early, 2)} → {amount(late, noise.unit)}"
    return amount(noise.value, noise.unit)


def _line(change: Change) -> dict[str, Any]:
    dashes = (0, (5, 2)) if change.source == "learning-rate" else (0, (1.5, 1.5))
    return {"color": st.PURPLE, "lw": 1.2, "ls": dashes, "zorder": 2.0}


def _name_changes(lanes: Lanes, scene: Scene) -> None:
    """Name the changes from the last to the first, as far as there is room."""
    changes: tuple[Change, ...] = () if scene.parts is None else scene.parts.changes
    unit = "pp" if scene.percent else "loss"
    resumed = [(at, ["resumed"], st.BLACK, _RESUMED) for at in scene.resumed_at]
    named = [(c.epoch, _words(c, unit, with_rate=scene.rate is None), st.PURPLE_TEXT, _line(c)) for c in changes]
    events = sorted([*resumed, *named], key=lambda event: event[0], reverse=True)
    left_out = sum(not lanes.beside(at, words, _LABEL_ROWS, color, line) for at, words, color, line in events)
    if left_out:
        lanes.at(
            float(scene.epochs[-1]), [f"{count(left_out)} more, not named here"], [*_LABEL_ROWS, 4], st.PURPLE_TEXT
        )


def _words(change: Change, unit: str, *, with_rate: bool) -> list[str]:
    """Name a change in full and, where there is less room, in short; the rate where no panel shows it."""
    sizes = []
    if change.level is not None and change.kind != "noise":
        sizes.append(f"{amount(change.level, unit, signed=True)}")
    if change.noise_ratio is not None and change.kind != "level":
        sizes.append(f"noise {TIMES}{plain(change.noise_ratio, 2)}")
    short = ", ".join(sizes) or {"level": "level", "noise": "noise", "both": "level and noise"}[change.kind]
    level = f"level {short}" if change.level is not None and change.kind != "noise" else short
    if with_rate and change.learning_rate_before is not None and change.learning_rate_after is not None:
        rate = f"rate {plain(change.learning_rate_before)} → {plain(change.learning_rate_after)}"
        return [f"{rate}: {level}", level, short]
    return [level, short]


def _name_periods(lanes: Lanes, parts: Decomposition, scene: Scene) -> None:
    """Say what repeats, under a bracket of one period's length."""
    cycles = () if isinstance(parts.cycles, NotAssessed) else parts.cycles
    for cycle in cycles[:2]:
        words = f"↔ repeats every {plain(cycle.period_epochs)} {scene.axis}s, ±{amount(cycle.amplitude, parts.unit)}"
        lanes.at(float(np.mean(parts.epochs[[0, -1]])), [words], _LABEL_ROWS, "#00664b")
