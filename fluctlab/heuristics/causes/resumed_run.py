"""resumed-run: the curve jumps because the training was interrupted and resumed without its full state.

What it looks like
    The logged step goes back or repeats, or a second process begins; just there the level of the accuracy jumps in one
    epoch, mostly down, without a change of the learning rate, and is learnt again in the epochs that follow.

Why it happens
    A checkpoint holds the weights but not the optimizer's momentum and second moments, not the position in the schedule,
    not the state of the shuffling or of the batch-norm statistics. The first epochs after the resume repair that.

Evidence used
    Places where the log's counter goes back or a later process takes over; the drop of the validation accuracy there over
    the noise of the curve; a logged learning rate that begins its schedule anew; where the log hides the resume, a fall
    that training and validation share. A resume after which nothing changed is no finding.

What it is confused with
    A step of the learning rate (the level rises and the noise falls), warm restarts (at regular distances), two trainings
    logged to one place (their values begin anew; fluctlab keeps those apart).

What to change
    Save and load the whole state.
    Keras: ``keras.callbacks.BackupAndRestore``, or ``model.save`` (not ``save_weights``), and ``initial_epoch=``.
    PyTorch: optimizer, scheduler, scaler and random states beside the model's ``state_dict``.

How to confirm
    Resume twice from the same checkpoint, with and without the optimizer's state: only the second shows the jump.

References
    PyTorch documentation, "Saving and loading a general checkpoint for inference and/or resuming training".
    Keras documentation, "BackupAndRestore".
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Clue, Verdict, above, not_supported, stated, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.schedule import Schedule
from fluctlab.heuristics.shapes import Resume
from fluctlab.heuristics.signatures import Setback
from fluctlab.results import Curves, NotAssessed

#: A jump below this (pp) does not matter, however calm the curve.
MATTERS_PP = 1.0


@cause(name="resumed-run", family="log", needs=("keeps_what_it_learnt", "curves"))
def assess(
    resumes: tuple[Resume, ...], curves: Curves, setback: Setback | NotAssessed, schedule: Schedule | NotAssessed
) -> Verdict:
    """Weigh whether a resume explains a fall of the level; one that the log hides shows as a fall out of nothing."""
    step = None if isinstance(setback, NotAssessed) else setback
    if not resumes and step is None:
        return not_supported("the log's counter never goes back, and the curve is too short to show a fall")
    if isinstance(schedule, Schedule) and schedule.kind == "cyclic":
        return not_supported("the learning rate is restarted again and again: that is a schedule")
    worst = _worst(resumes) if resumes else None
    if worst is not None and _costs_nothing(worst):
        return not_supported("a later process took over, and neither the level nor the rate changed")
    ratio = step.rate_ratio if step is not None else None
    if worst is not None and worst.rate_ratio is not None:
        ratio = max(worst.rate_ratio, ratio or 0.0)
    return weigh(
        stated("a later process took over", "yes" if resumes else "no", supports=bool(resumes)),
        None if worst is None or curves.target.role != "validation_accuracy"
        else above("drop of the level there", -worst.jump_pp, MATTERS_PP, width=1.0, unit="pp"),
        None if worst is None else above("drop over the noise of the curve", worst.drop_over_noise, 3.0, width=1.5, unit="ratio"),
        _once_more(schedule),
        above("learning rate after the fall over before", ratio, 1.5, octaves=0.5, unit="ratio"),
        None if step is None
        else above("fall that training and validation share, over their noise", step.over_noise, 6.0, octaves=1.0, unit="ratio"),
        None if step is None else above("size of that fall", step.validation_pp, 2.0, octaves=1.0, unit="pp"),
        None if step is None else above("where it lies (share of the run)", step.at, 0.35, width=0.1, unit="ratio"),
        severity="medium" if worst is not None and worst.jump_pp < -3 * MATTERS_PP else "low",
    )  # fmt: skip


def _once_more(schedule: Schedule | NotAssessed) -> Clue | None:
    """A rate that had come down and starts again once; a schedule with restarts has more."""
    if isinstance(schedule, NotAssessed):
        return None
    return stated(
        "the learning rate starts again once", float(len(schedule.restarts)), supports=len(schedule.restarts) == 1
    )


def _costs_nothing(resume: Resume) -> bool:
    """Whether the level fell by less than the noise and half a point, and the rate did not go up."""
    calm = resume.drop_over_noise < 1.0 and -resume.jump_pp < MATTERS_PP / 2.0
    return calm and (resume.rate_ratio is None or resume.rate_ratio < 1.2)


def _worst(resumes: tuple[Resume, ...]) -> Resume:
    """Return the resume after which most was lost; else the one at which the rate rose most."""
    return max(resumes, key=lambda r: (max(0.0, r.drop_over_noise), r.rate_ratio or 0.0))


def remedy(resumes: tuple[Resume, ...], setback: Setback | NotAssessed) -> tuple[Remedy, ...]:
    """Save the whole state."""
    if resumes:
        worst = _worst(resumes)
        epoch, change = worst.epoch, worst.jump_pp
    elif isinstance(setback, Setback):
        epoch, change = setback.epoch, -setback.validation_pp
    else:
        return ()
    return (
        Remedy(
            title=f"Save optimizer, scheduler and random state with the weights, and resume from all of it (epoch {epoch:g})",
            why=f"The level changed by {change:+.1f} pp where the training was resumed; momentum and schedule began anew.",
            keras="keras.callbacks.BackupAndRestore('backup')  # model.fit(..., initial_epoch=last_epoch)",
            pytorch="torch.save({'model': model.state_dict(), 'optimizer': optimizer.state_dict(), 'scheduler': scheduler.state_dict(), 'epoch': epoch}, 'last.pt')",
        ),
    )
