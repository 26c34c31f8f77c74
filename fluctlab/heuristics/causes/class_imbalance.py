"""class-imbalance: a few classes make up most of the training images, and the rare ones are learnt late and forgotten easily.

What it looks like
    Training accuracy is high from the first epochs, since the common classes suffice for it. Validation accuracy, on a
    set with other shares, begins low, often at the share of one class, and climbs in steps as the network begins to give
    the rarer answers. Rare classes flip as a whole, so that the curve jumps between shares of classes; with
    two classes between one value and its complement.

Why it happens
    The loss is a mean over images, so a class with a hundredth of the images has a hundredth of the say, and batches
    often hold none of it. The boundary around it rests on few images and moves at each step. Where validation has
    the same shares as training, accuracy hides all this: guessing the common class already scores its share.

Evidence used
    Epochs at the level of guessing; epochs at low multiples of one over the number of classes; neighbouring accuracies
    that add up to one; the generalisation gap in the first fifth; validation over training loss in the first fifth and at
    the end.

What it is confused with
    An unrepresentative validation set (the same gap, but nothing at shares of classes), batch-norm statistics (levels of
    guessing as well, with falls and recoveries), overfitting (the gap grows late).

What to change
    Weigh the classes in the loss, or draw the rare ones more often (over-sampling) or the common ones less
    (under-sampling, where there are plenty); stratify the split; report balanced accuracy.
    Keras: ``model.fit(class_weight=...)``; ``tf.data.Dataset.sample_from_datasets``.
    PyTorch: ``CrossEntropyLoss(weight=...)``; ``WeightedRandomSampler``.

How to confirm
    Count the labels. Log the accuracy of each class: rare classes near zero, or jumping, are the cause.

References
    Buda, Maki and Mazurowski 2018, "A systematic study of the class imbalance problem in convolutional neural networks", doi:10.1016/j.neunet.2018.07.011.
    He and Garcia 2009, "Learning from imbalanced data", doi:10.1109/TKDE.2008.239.
    Cui et al. 2019, "Class-balanced loss based on effective number of samples", arXiv:1901.05555.
    Menon et al. 2021, "Long-tail learning via logit adjustment", arXiv:2007.07314.
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict, above, below, not_assessed, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.settings import number
from fluctlab.heuristics.signatures import Levels, Losses, NoiseShape, Plateaus
from fluctlab.model import Run
from fluctlab.results import Maybe, NotAssessed, ValidationSize

#: Effective number of images after Cui et al. 2019: near one the weights go as one over the count, at zero they are equal.
BETA = 0.999


@cause(name="class-imbalance", family="data", needs=("learnt", "plateaus"))
def assess(
    plateaus: Plateaus,
    levels: Levels | NotAssessed,
    losses: Losses | NotAssessed,
    noise_shape: NoiseShape | NotAssessed,
    settled_noise: Maybe,
) -> Verdict:
    """Weigh whether a few classes dominate the training."""
    alone = isinstance(levels, NotAssessed) and isinstance(losses, NotAssessed)
    if alone and plateaus.at_class_shares is None and plateaus.complementary == 0.0:
        reason = "validation accuracy alone does not show what the rare classes do"
        return not_assessed(reason, "training accuracy at every epoch", "number of classes", "accuracy of each class")
    both = None if isinstance(losses, NotAssessed) else losses
    level = None if isinstance(levels, NotAssessed) else levels
    early = None if isinstance(levels, NotAssessed) else levels.gap_early_pp
    return weigh(
        above("share of epochs at the level of guessing", plateaus.at_guessing, 0.1, width=0.1, unit="ratio"),
        above("share of epochs at low multiples of one over the classes", plateaus.at_class_shares, 0.3, width=0.2, unit="ratio"),
        above("share of neighbouring accuracies that add up to one", plateaus.complementary, 0.05, width=0.05, unit="ratio"),
        None if level is None else above("generalisation gap at the end", level.gap_final_pp, 18.0, width=10.0, unit="pp"),
        None if level is None else below("training accuracy at the end", level.training_final, 0.98, width=0.03, unit="fraction"),
        None if level is None else below("growth of the gap since the first fifth", level.gap_final_pp - level.gap_early_pp, 5.0, width=6.0, unit="pp"),
        None if level is None else below("spread of the gap over its mean in the second half", level.steady_gap, 0.12, octaves=1.0, unit="ratio"),
        above("share of the first training loss that is left", both.training_left if both else None, 0.1, octaves=1.0, unit="ratio"),
        below("largest fall from one epoch to the next", plateaus.worst_fall_pp, 8.0, octaves=0.8, unit="pp"),
        None if isinstance(noise_shape, NotAssessed)
        else below("noise at the end over the floor", noise_shape.end_over_floor, 0.6, octaves=0.8, unit="ratio"),
        None if isinstance(noise_shape, NotAssessed)
        else below("noise of validation over training accuracy (doublings)", noise_shape.over_training, 0.0, width=1.0),
        below("settled noise", settled_noise, 1.2, octaves=0.8),
        above("generalisation gap in the first fifth", early, 15.0, width=10.0, unit="pp"),
        above("validation over training loss in the first fifth (doublings)", both.excess_early if both else None, 1.0, width=0.6),
        above("validation over training loss at the end (doublings)", both.excess_final if both else None, 1.5, width=1.0),
    )  # fmt: skip


def remedy(
    run: Run, training_examples: float | None, batch_size: float | None, validation_size: ValidationSize | None
) -> tuple[Remedy, ...]:
    """Weigh the classes; draw the rare ones more often; measure what counts."""
    classes = number(run, "num_classes")
    each = ""
    if training_examples and classes:
        each = f" An even share would be {training_examples / classes:,.0f} of the {training_examples:,.0f} images for each of {classes:g} classes."
    batch = "32" if batch_size is None else f"{batch_size:g}"
    held = (
        ""
        if batch_size is None or not classes
        else f", about {batch_size / classes:.2g} of each class in a batch of {batch}"
    )
    size = "0.2" if validation_size is None else f"{validation_size.value}"
    return (
        Remedy(
            title="Weigh the classes in the loss by one over their effective number of images",
            why=f"Each class then has about the same say.{each} Plain one-over-count weights are too large for classes of a few images.",
            keras=f"counts = numpy.bincount(y_train)\nweights = (1 - {BETA}) / (1 - {BETA} ** counts)\n"
            "model.fit(train, class_weight=dict(enumerate(weights / weights.mean())))",
            pytorch=f"counts = torch.bincount(labels)\nweights = (1 - {BETA}) / (1 - {BETA} ** counts)\n"
            "criterion = torch.nn.CrossEntropyLoss(weight=weights / weights.mean())",
        ),
        Remedy(
            title=f"Or over-sample the rare classes: each class equally often{held}",
            why="The network then sees rare classes at every step, with augmentation never the same image twice; where the common ones abound, under-sample those (fewer draws an epoch).",
            keras="parts = [train.filter(lambda x, y, c=c: y == c).repeat() for c in range(classes)]  # unbatched\n"
            f"train = tf.data.Dataset.sample_from_datasets(parts).batch({batch})  # with steps_per_epoch=",
            pytorch="sampler = torch.utils.data.WeightedRandomSampler(1.0 / torch.bincount(labels)[labels], num_samples=len(labels))\n"
            f"loader = torch.utils.data.DataLoader(train, batch_size={batch}, sampler=sampler)  # in place of shuffle=True",
        ),
        Remedy(
            title="Report balanced accuracy on a stratified split",
            why="Balanced accuracy is the mean of the classes' accuracies: guessing the common class scores one over the number of classes and no more.",
            keras=f"x_train, x_val, y_train, y_val = sklearn.model_selection.train_test_split(x, y, test_size={size}, stratify=y, random_state=0)\n"
            "sklearn.metrics.balanced_accuracy_score(y_val, model.predict(x_val).argmax(1))",
            pytorch=f"train, val = sklearn.model_selection.train_test_split(range(len(data)), test_size={size}, stratify=labels, random_state=0)\n"
            "sklearn.metrics.balanced_accuracy_score(targets, predictions)",
        ),
    )  # fmt: skip
