"""unshuffled-training-data: the network sees its training images in an order, one class or source after another.

What it looks like
    Training loss and accuracy look good, too good for the validation that goes with them: each batch is easy after the
    ones before it. Validation accuracy sits near guessing or at shares of classes, jumps, and ends where the last images of
    the epoch left the network. The loss of single steps has a period of exactly one epoch.

Why it happens
    Within a stretch of one class it pays to answer that class always, and what was learnt of the others is overwritten.
    Batch-norm statistics follow the stretch as well, so that evaluation uses those of the last class. The cause is
    a set sorted by folder without ``shuffle``, a shuffle buffer smaller than one class's stretch, or shards that are read
    in the same order each time. The gradient's error is then not random but the same every epoch.

Evidence used
    A period of one epoch in the per-step training loss; validation over training loss in the first fifth and at the end;
    epochs at the level of guessing and at low multiples of one over the classes; the largest fall from one epoch
    to the next; noise of the validation over that of the training accuracy.

What it is confused with
    Batch-norm statistics (the same picture; the per-step loss tells them apart), class imbalance (there the training loss
    of single steps has no period), an unrepresentative split (a steady gap instead of jumps).

What to change
    Shuffle anew every epoch, over the whole set. With streams: shuffle the files once, read several at a time, and
    give the buffer room for several stretches.
    Keras: ``dataset.shuffle(len(images))`` before ``batch``; ``fit(shuffle=True)`` does nothing for a ``tf.data`` set.
    PyTorch: ``DataLoader(shuffle=True)``; ``DistributedSampler.set_epoch`` in every epoch.

How to confirm
    Print the labels of three batches in a row. Log the training loss of every step and look for the period of an epoch.

References
    Meng et al. 2019, "Convergence analysis of distributed stochastic gradient descent with shuffling", arXiv:1709.10432.
    Bengio 2012, "Practical recommendations for gradient-based training of deep architectures", arXiv:1206.5533 (shuffling).
    Mishchenko, Khaled and Richtarik 2020, "Random reshuffling: simple analysis with vast improvements", arXiv:2006.05988.
    TensorFlow documentation, ``tf.data.Dataset.shuffle`` (buffer size).
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Clue, Verdict, above, below, not_assessed, stated, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.settings import number
from fluctlab.heuristics.shapes import Progress
from fluctlab.heuristics.signatures import Levels, Losses, NoiseShape, Plateaus
from fluctlab.model import Run
from fluctlab.results import Cycle, Decomposition, Maybe, NotAssessed

#: Stretches of one class that the shuffle buffer should span, where it cannot hold the whole set.
STRETCHES = 4
#: A buffer that holds more images than this is a burden; then files are to be shuffled instead.
LARGE_BUFFER = 50_000


@cause(name="unshuffled-training-data", family="data", needs=("learnt", "keeps_what_it_learnt", "plateaus"))
def assess(
    plateaus: Plateaus,
    losses: Losses | NotAssessed,
    noise_shape: NoiseShape | NotAssessed,
    data_order: Cycle | NotAssessed,
    levels: Levels | NotAssessed,
    rate_over_usual: float | None,
    step_loss_memory: Maybe,
    progress: Progress | NotAssessed,
    regularisers: float | None,
    augmentation_strength: float | None,
    training_comovement: Maybe,
    decomposition: Decomposition | NotAssessed,
) -> Verdict:
    """Weigh whether the training images come in an order."""
    over_training = None if isinstance(noise_shape, NotAssessed) else noise_shape.over_training
    both = None if isinstance(losses, NotAssessed) else losses
    level = None if isinstance(levels, NotAssessed) else levels
    period = None if isinstance(data_order, NotAssessed) else data_order.period_epochs
    if both is None and period is None and over_training is None:
        reason = "without training metrics nothing shows in which order the images came"
        return not_assessed(reason, "training loss at every step", "training accuracy at every epoch")
    return weigh(
        _order(data_order),
        None if level is None else above("generalisation gap in the first fifth", level.gap_early_pp, 10.0, width=10.0, unit="pp"),
        None if level is None else above("generalisation gap at the end", level.gap_final_pp, 10.0, width=10.0, unit="pp"),
        None if level is None else below("generalisation gap at the end (training behind validation)", level.gap_final_pp, -2.0, width=3.0, unit="pp"),
        None if level is None else below("training accuracy at the end", level.training_final, 0.9, width=0.08, unit="fraction"),
        None if both is None else above("share of the first training loss that is left", both.training_left, 0.5, octaves=1.0, unit="ratio"),
        None if both is None else above("moves of the validation over those of the training loss (doublings)", both.jumps_ratio, 1.0, width=1.0),
        above("memory of the loss from one step to the next", step_loss_memory, 0.15, width=0.08),
        None if both is None else above("final validation loss over its first value (doublings)", both.validation_over_start, -0.7, width=0.5),
        None if level is None else below("validation accuracy at the end", level.validation_final, 0.6, width=0.15, unit="fraction"),
        None if level is None else below("spread of the gap over its mean in the second half", level.steady_gap, 0.6, octaves=1.0, unit="ratio"),
        None if isinstance(progress, NotAssessed) else above("epochs", float(progress.epochs), 20.0, octaves=0.6, unit="epochs"),
        None if both is None else above("epoch-to-epoch moves of the training loss (doublings)", both.training_jumps, 0.02, octaves=1.0),
        above("learning rate over the usual one for its optimizer", rate_over_usual, 0.1, octaves=1.0, unit="ratio"),
        below("dropout or weight decay over the usual", regularisers, 1.5, octaves=1.5, unit="ratio"),
        below("augmentation over the usual", augmentation_strength, 1.5, octaves=1.0, unit="ratio"),
        above("training moves with validation", training_comovement, 0.3, width=0.3),
        None if isinstance(decomposition, NotAssessed)
        else above("memory of the fluctuation (lag-1 autocorrelation)", decomposition.autocorrelation, 0.4, width=0.15),
        None if both is None else above("share of the training loss's fall in the last quarter", both.still_falling, 0.05, width=0.05, unit="ratio"),
        above("validation over training loss in the first fifth (doublings)", both.excess_early if both else None, 1.5, width=0.8),
        above("validation over training loss at the end (doublings)", both.excess_final if both else None, 2.0, width=1.0),
        above("share of epochs at the level of guessing", plateaus.at_guessing, 0.15, width=0.15, unit="ratio"),
        above("share of epochs at low multiples of one over the classes", plateaus.at_class_shares, 0.35, width=0.2, unit="ratio"),
        above("largest fall from one epoch to the next", plateaus.worst_fall_pp, 15.0, width=10.0, unit="pp"),
        above("noise of validation over training accuracy (doublings)", over_training, 2.0, width=1.0),
        severity="high",
    )  # fmt: skip


def _order(data_order: Cycle | NotAssessed) -> Clue | None:
    """A loss of single steps that repeats itself every epoch; one that does not, where there are enough, denies it."""
    if isinstance(data_order, NotAssessed):
        repeats_not = not data_order.needs and "repeat" in data_order.reason
        return stated("period of the loss of single steps", "none", supports=False) if repeats_not else None
    return stated("period of the loss of single steps", data_order.period_epochs, unit="epochs")


def remedy(
    run: Run, training_examples: float | None, batch_size: float | None, data_order: Cycle | NotAssessed
) -> tuple[Remedy, ...]:
    """Shuffle everything; where that is too much, files and a large buffer; keep one class out of a whole batch."""
    images = "len(x_train)" if training_examples is None else f"{training_examples:.0f}"
    all_of = "the whole training set" if training_examples is None else f"all {training_examples:,.0f} training images"
    batch = "32" if batch_size is None else f"{batch_size:g}"
    period = (
        "Random order makes the error of a step independent of the next one's; a fixed order repeats it every epoch."
    )
    if not isinstance(data_order, NotAssessed):
        period = f"The per-step training loss repeats every {data_order.period_epochs:.2g} epochs, as it does in a fixed order."
    return (
        Remedy(
            title=f"Shuffle {all_of} anew in every epoch, before batching",
            why=period,
            keras=f"train = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle({images}, reshuffle_each_iteration=True).batch({batch})",
            pytorch=f"loader = torch.utils.data.DataLoader(train, batch_size={batch}, shuffle=True)",
        ),
        _stream(training_examples, number(run, "num_classes"), batch),
        Remedy(
            title="Look at the labels of a few batches",
            why=f"In a batch of {batch} one class should make up about its share of the whole set, in the next batch as well.",
            keras="for _, y in train.take(3): print(numpy.bincount(y))",
            pytorch="for _, (_, y) in zip(range(3), loader): print(torch.bincount(y))",
        ),
    )


def _stream(training_examples: float | None, classes: float | None, batch: str) -> Remedy:
    """Size a shuffle buffer by the stretch of one class in a sorted set."""
    buffer, why = 10_000, "A buffer only mixes what it holds: smaller than the stretch of one class it mixes nothing."
    if training_examples and classes:
        stretch = round(training_examples / classes)
        buffer = max(1, min(round(training_examples), STRETCHES * stretch, max(LARGE_BUFFER, 2 * stretch)))
        why = f"In a sorted set one class takes about {stretch:,} images in a row; a smaller buffer than that mixes nothing."
    return Remedy(
        title=f"Where the images are streamed: shuffle the files, interleave them, and a buffer of at least {buffer:,}",
        why=why,
        keras=f"train = files.shuffle(len(files)).interleave(tf.data.TFRecordDataset, cycle_length=16).shuffle({buffer}).batch({batch})",
        pytorch=f"train = webdataset.WebDataset(urls, shardshuffle=len(urls)).shuffle({buffer})  # any IterableDataset: shuffle(n) before the batch",
    )
