"""label-noise: some training labels are wrong, and the network begins to learn them by heart.

What it looks like
    Validation accuracy rises fast, reaches its best early and then falls for the rest of the run, with jumps. Training
    accuracy stands below validation accuracy at that time, or far from one; it climbs late and slowly, while the
    validation loss rises well above its start. Where the labels of the validation set are wrong as well,
    both stand below one by the share of wrong labels.

Why it happens
    What is common to many images is learnt first, what fits one image only comes later. Wrong labels are of the second
    kind: the network first answers rightly against them, then bends its boundaries around single images, a few at a
    time, and each of them takes neighbours along that were right.

Evidence used
    Accuracy lost since its best level; where that lies in the run; how much training accuracy gained since; the
    generalisation gap at that epoch; when half of the training loss's fall is done; validation over training loss at
    the end.

What it is confused with
    Overfitting of a small, clean set (training accuracy is near one already when validation accuracy is best), a
    learning rate that is too high (training accuracy falls with validation accuracy), heavy augmentation (training
    accuracy stays below validation accuracy, but nothing is lost).

What to change
    Look at the images with the largest loss at the best epoch and correct their labels; stop there; smooth the labels;
    more dropout and weight decay delay the learning by heart.
    Keras: ``EarlyStopping(restore_best_weights=True)``; ``CategoricalCrossentropy(label_smoothing=0.1)``.
    PyTorch: ``CrossEntropyLoss(label_smoothing=0.1)``; ``cross_entropy(..., reduction='none')`` for the losses.

How to confirm
    Read a hundred labels among the largest losses of the best checkpoint, and a hundred at random: many more mistakes
    among the first show label noise and its share.

References
    Zhang et al. 2017, "Understanding deep learning requires rethinking generalization", arXiv:1611.03530.
    Arpit et al. 2017, "A closer look at memorization in deep networks", arXiv:1706.05394.
    Han et al. 2018, "Co-teaching: robust training of deep neural networks with extremely noisy labels", arXiv:1804.06872 (small losses are clean).
    Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels", arXiv:1911.00068.
    Lukasik et al. 2020, "Does label smoothing mitigate label noise?", arXiv:2003.02819.
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict, above, below, not_assessed, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.settings import number
from fluctlab.heuristics.shapes import Collapse, LossRebound
from fluctlab.heuristics.signatures import Levels, Losses, NoiseShape
from fluctlab.model import Run
from fluctlab.results import Decomposition, NotAssessed

#: Wrong labels are learnt late; with fewer epochs nothing can be said.
FEWEST_POINTS = 16


@cause(name="label-noise", family="overfitting", needs=("learnt", "levels"))
def assess(
    levels: Levels,
    losses: Losses | NotAssessed,
    loss_rebound: LossRebound | NotAssessed,
    collapse: Collapse,
    decomposition: Decomposition | NotAssessed,
    training_examples: float | None,
    noise_shape: NoiseShape | NotAssessed,
) -> Verdict:
    """Weigh whether wrong labels are learnt by heart."""
    if levels.n < FEWEST_POINTS:
        return not_assessed(f"{levels.n} epochs are too few to learn wrong labels by heart", "more epochs")
    lost = 100.0 * (levels.validation_best - levels.validation_final)
    both = None if isinstance(losses, NotAssessed) else losses
    return weigh(
        above("accuracy lost since its best level", lost, 3.0, width=2.0, unit="pp"),
        below("where the best level lies (share of the run)", levels.best_at, 0.6, width=0.2, unit="ratio"),
        above("share of the learnt accuracy that is lost for good", collapse.lost_share, 0.07, octaves=1.0, unit="ratio"),
        below("memory of the fluctuation (lag-1 autocorrelation)", decomposition.autocorrelation, 0.3, width=0.15)
        if not isinstance(decomposition, NotAssessed) else None,
        None if isinstance(noise_shape, NotAssessed)
        else below("noise of validation over training accuracy (doublings)", noise_shape.over_training, 1.5, width=1.0),
        above("training images", training_examples, 300.0, octaves=1.0, unit="images"),
        above("training accuracy gained since then", levels.training_rose_pp, 6.0, width=5.0, unit="pp"),
        below("generalisation gap at the best level", levels.gap_best_pp, 0.0, width=5.0, unit="pp"),
        above("when half of the training loss's fall is done (share of the run)", both.half_fall_at if both else None, 0.3, width=0.15, unit="ratio"),
        above("validation over training loss at the end (doublings)", both.excess_final if both else None, 1.0, width=1.0),
        below("generalisation gap in the first fifth", levels.gap_early_pp, -2.0, width=4.0, unit="pp"),
        above("generalisation gap at the end", levels.gap_final_pp, 15.0, width=10.0, unit="pp"),
        below("validation's share in the late rise of training accuracy", levels.late_share, 0.1, width=0.4, unit="ratio"),
        below("training accuracy at the end", levels.training_final, 0.95, width=0.05, unit="fraction"),
        above("share of the first training loss that is left", both.training_left if both else None, 0.12, octaves=1.0, unit="ratio"),
        above("share of the training loss's fall in the last quarter", both.still_falling if both else None, 0.06, width=0.06, unit="ratio"),
        None if isinstance(loss_rebound, NotAssessed)
        else above("rise of the validation loss over its minimum", loss_rebound.rise, 0.1, octaves=1.5, unit="ratio"),
        severity="high" if lost > 10.0 else "medium",
    )  # fmt: skip


def remedy(run: Run, decomposition: Decomposition | NotAssessed, training_examples: float | None) -> tuple[Remedy, ...]:
    """Find the wrong labels; stop before they are learnt; soften them."""
    best, patience, noise = _stop(decomposition)
    at = "the best epoch" if best is None else f"epoch {best:g}"
    count = 200 if training_examples is None else max(20, min(1000, round(0.02 * training_examples)))
    return (
        Remedy(
            title=f"Check the labels of the {count:,} images with the largest loss at {at}",
            why="By then the right labels are learnt and the wrong ones are not, so the wrong ones have the largest losses.",
            keras="loss = keras.losses.sparse_categorical_crossentropy(y_train, model.predict(x_train))\n"
            f"suspects = numpy.argsort(-numpy.asarray(loss))[:{count}]",
            pytorch="with torch.no_grad():  # batches in order, no augmentation\n"
            "    loss = torch.cat([torch.nn.functional.cross_entropy(model(x), y, reduction='none') for x, y in ordered_loader])\n"
            f"suspects = loss.argsort(descending=True)[:{count}]",
        ),
        Remedy(
            title=f"Stop early, with a patience of {patience} evaluations, and keep the best weights",
            why=f"What is learnt after {at} are the wrong labels{noise}.",
            keras=f"keras.callbacks.EarlyStopping('val_accuracy', mode='max', patience={patience}, restore_best_weights=True)",
            pytorch="if accuracy > best: best, waited = accuracy, 0; torch.save(model.state_dict(), 'best.pt')\n"
            f"else: waited += 1\nif waited > {patience}: break",
        ),
        *_soften(run),
    )


def _stop(decomposition: Decomposition | NotAssessed) -> tuple[float | None, int, str]:
    """Return the epoch to stop at, the patience that the noise asks for, and what it rests on."""
    if isinstance(decomposition, NotAssessed):
        return None, 10, ""
    selection = decomposition.selection
    epoch = selection.careful_epoch if selection.careful_epoch is not None else selection.best_epoch
    patience = selection.patience
    if patience is None:
        patience = max(5, round(0.1 * len(decomposition.values)))
    noise = decomposition.noise
    if isinstance(noise, NotAssessed) or decomposition.unit != "pp":
        return epoch, patience, ""
    return epoch, patience, f"; with a noise of {noise.value:.2f} pp a shorter patience stops at a lucky epoch"


def _soften(run: Run) -> tuple[Remedy, ...]:
    """Smooth the labels and drop more, where the run does neither strongly already."""
    smoothing, dropout = number(run, "label_smoothing") or 0.0, number(run, "dropout")
    titles, keras, pytorch = [], [], []
    if smoothing < 0.2:
        smoother = 0.1 if smoothing < 0.1 else 0.2
        titles.append(f"label smoothing {smoother:g} instead of {smoothing:g}")
        keras.append(f"keras.losses.CategoricalCrossentropy(label_smoothing={smoother:g})  # one-hot labels")
        pytorch.append(f"criterion = torch.nn.CrossEntropyLoss(label_smoothing={smoother:g})")
    if dropout is None or dropout < 0.5:
        more = 0.3 if dropout is None or dropout < 0.2 else 0.5
        was = "" if dropout is None else f" instead of {dropout:g}"
        titles.append(f"dropout {more:g}{was} before the last layer")
        keras.append(f"keras.layers.Dropout({more:g})")
        pytorch.append(f"model.fc = torch.nn.Sequential(torch.nn.Dropout({more:g}), model.fc)")
    if not titles:
        return ()
    title = ", and ".join(titles)
    why = "A smoothed target asks for less certainty in a label that may be wrong; dropout makes it harder to learn single images by heart."
    return (Remedy(title=title[0].upper() + title[1:], why=why, keras="\n".join(keras), pytorch="\n".join(pytorch)),)
