"""Thirty-five public threads in which people asked why their validation accuracy fluctuates, each as a small run.

A run holds what its thread states and nothing else: where a thread gives a few values, the run has those values. Where
it gives only a shape in words ("oscillates wildly"), a curve of that shape is drawn with a fixed seed, and the comment
says so; its length (``EPOCHS`` where none is stated), level and scale are then ours. Series that a thread does not
speak of are absent, so for many runs the honest answer is that the log does not tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fluctlab.findings import Diagnosis
from fluctlab.model import Run, Series, frozen_array
from fluctlab.results import NotAssessed
from tests.heuristics.cases import noise, on_lattice, rise, run

Verdict = Literal["right", "not enough data", "wrong"]

#: Length of a drawn curve where the thread states none.
EPOCHS = 40


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread.

    Attributes
    ----------
    number : int
        Row of the table of threads.
    repository : str
        Where it was asked, as a short name; the test is named after it.
    address : str
        Address of the thread.
    run : callable
        Makes the run.
    right : frozenset of str
        Causes that are an acceptable answer; empty where only "cannot tell" or "nothing is wrong" is.
    why : str
        Why these.
    benign : bool
        Whether the answer in the thread is that nothing is wrong.
    """

    number: int
    repository: str
    address: str
    run: Callable[[], Run]
    right: frozenset[str]
    why: str
    benign: bool = False


def verdict(thread: Thread, diagnosis: Diagnosis) -> Verdict:
    """Judge a diagnosis: a right cause among the first two findings, else no finding and a word on what to log next."""
    if any(finding.cause in thread.right for finding in diagnosis.findings[:2]):
        return "right"
    if diagnosis.findings:
        return "wrong"
    if thread.benign:
        return "right"
    return "not enough data" if says_what_to_log(diagnosis) else "wrong"


def says_what_to_log(diagnosis: Diagnosis) -> bool:
    """Whether a diagnosis names what is missing."""
    parts = diagnosis.decomposition
    missing = {"no-validation-curve", "no-decomposition"}
    return bool(diagnosis.next_logs) or (
        isinstance(parts, NotAssessed) and bool(parts.needs or missing & {p.code for p in diagnosis.problems})
    )


def between(low: float, high: float, seed: int, n: int = EPOCHS) -> np.ndarray:
    """Draw values anywhere between two stated ends, each epoch anew."""
    return np.random.default_rng(seed).uniform(low, high, n)


def logged_at(steps: np.ndarray, values: np.ndarray, name: str, epochs: np.ndarray | None = None) -> Series:
    """Make a series that is logged by step; the common helper logs by epoch."""
    return Series(name, frozen_array(values), frozen_array(steps), None if epochs is None else frozen_array(epochs))


def every_step(shape: Callable[[np.ndarray], np.ndarray], seed: int, settings: dict[str, object] | None = None) -> Run:
    """Draw a training loss for each of 100 steps of 8 epochs; ``shape`` takes the position in epochs."""
    steps = np.arange(800)
    loss = shape(steps / 100) * (1 + noise(800, 0.02, seed))
    return replace(run(settings), series=(logged_at(steps, loss, "train_loss", np.floor(steps / 100)),))


# --- batch normalisation ---------------------------------------------------------------------------------------------


def unet_with_batch_norm() -> Run:
    # Drawn: a validation loss that moves by about 50 % between epochs, around 1.
    # The momentum is Keras' 0.99, which is 0.01 as PyTorch counts it.
    settings: dict[str, object] = {"model": "U-Net with batch normalisation", "batch_norm_momentum": 0.01}
    return run(settings, val_loss=np.exp(noise(EPOCHS, 0.4, 1)))


def two_images_at_rate_zero() -> Run:
    # Drawn: a validation loss that moves at random, a training loss that takes four values at random.
    settings: dict[str, object] = {"model": "ResNet50", "dataset": "cifar10", "learning_rate": 0.0}
    settings |= {"training_examples": 2, "validation_examples": 2}
    four = np.random.default_rng(2).choice([0.8, 0.9, 1.0, 1.1], EPOCHS)
    return run(settings, train_loss=four, val_loss=1 + noise(EPOCHS, 0.1, 3))


def oscillates_since_batch_norm() -> Run:
    # Drawn: validation accuracy and loss that oscillate wildly, and against each other.
    accuracy = between(0.2, 0.9, 4)
    settings: dict[str, object] = {"model": "CNN with batch normalisation"}
    return run(settings, val_acc=accuracy, val_loss=2.5 - 2 * accuracy + noise(EPOCHS, 0.1, 5))


def fine_tuning_fails() -> Run:
    # Settings only: that it "does not work" comes without a number.
    settings: dict[str, object] = {"model": "ResNet50", "optimizer": "Adam", "learning_rate": 1e-4, "batch_size": 50}
    return run(settings | {"training_examples": 50, "num_classes": 2})


def both_swing_in_evaluation_mode() -> Run:
    # Drawn: training and test accuracy, both in evaluation mode, swing together between the stated 31 % and 55 %.
    shared = between(0.31, 0.55, 6)
    settings: dict[str, object] = {"model": "ResNet-18", "num_classes": 176}
    return run(settings, train_acc=shared, val_acc=shared + noise(EPOCHS, 0.01, 7))


def validated_on_the_training_images() -> Run:
    # As logged in the thread's third log; in its first one training goes .692 to .812 and validation stays at .522949.
    return run(
        {"model": "ResNet-152"},
        train_acc=np.array([0.584762, 0.920476, 0.999048, 1.0, 1.0]),
        val_acc=np.full(5, 0.511429),
    )


def falls_at_epoch_eleven() -> Run:
    # Drawn: validation from 0 to .5 and then the stated .2 at epoch 11; a training accuracy that rises ("normal").
    rising = rise(11, 0.0, 0.5, 4.0) / rise(11, 0.0, 0.5, 4.0)[-1] * 0.5
    settings: dict[str, object] = {"model": "Inception-BN", "dataset": "imagenet"}
    return run(settings, train_acc=rise(12, 0.0, 0.6, 4.0), val_acc=np.append(rising, 0.2))


# --- rate, schedule, overfitting -------------------------------------------------------------------------------------


def validation_falls_training_rises() -> Run:
    return run(
        {"model": "Inception-BN", "dataset": "imagenet", "batch_size": 128, "training_examples": 1_281_167},
        axis=np.array([4, 5, 6]),
        lr=np.array([5.9049e-3, 5.31441e-3, 4.78297e-3]),
        train_acc=np.array([0.548824, 0.577686, 0.600828]),
        val_acc=np.array([0.406630, 0.404347, 0.380495]),
    )


def gradual_decline() -> Run:
    # Drawn: the gradual way from 71 % at epoch 30 to 69 % at epoch 48, with a little noise.
    accuracy = np.linspace(0.71, 0.69, 19) + noise(19, 0.001, 8)
    return run({"model": "ResNet", "dataset": "imagenet"}, axis=np.arange(30, 49), val_acc=accuracy)


def rate_had_dropped() -> Run:
    accuracy = np.array([0.556103, 0.547513, 0.544842, 0.580855, 0.672632, 0.682677, 0.690908])
    return run({"model": "ResNet-152", "dataset": "imagenet"}, axis=np.arange(26, 33), val_acc=accuracy)


def ten_percent_for_a_hundred_epochs() -> Run:
    # Drawn without noise: one class for every image gives exactly 10 % on CIFAR-10.
    settings: dict[str, object] = {"model": "ResNet", "dataset": "cifar10", "learning_rate": 0.1}
    return run(settings, val_acc=np.full(100, 0.1))


def below_chance() -> Run:
    settings: dict[str, object] = {"model": "ShuffleNet", "optimizer": "Nadam", "learning_rate": 2e-4, "batch_size": 16}
    settings |= {"training_examples": 2311, "validation_examples": 294, "num_classes": 5, "epochs": 50}
    return run(
        settings,
        axis=np.array([21, 22, 23]),
        train_loss=np.array([0.9997, 0.9861, 0.9851]),
        train_acc=np.array([0.6390, 0.6382, 0.6347]),
        val_loss=np.array([4.0237, 2.3300, 2.0058]),
        val_acc=np.array([0.1108, 0.1616, 0.1995]),
    )


def noisy_on_another_domain() -> Run:
    # Drawn: a noisy validation accuracy; no number is stated.
    return run(val_acc=0.6 + noise(EPOCHS, 0.05, 9))


def loss_rises_accuracy_wild() -> Run:
    # Drawn: a training loss that almost always increases, an accuracy of two classes that fluctuates wildly.
    settings: dict[str, object] = {"batch_size": 32, "training_examples": 1835, "validation_examples": 564}
    settings |= {"num_classes": 2, "epochs": 60}
    loss = np.linspace(0.7, 1.4, 60) + noise(60, 0.005, 10)
    return run(settings, train_loss=loss, val_acc=on_lattice(between(0.3, 0.7, 11, 60), 564))


def one_image_of_seventy_five() -> Run:
    # The 75 images are not stated: the accuracies show them.
    return run(
        {"batch_size": 256, "epochs": 100, "validation_split": 0.1},
        axis=np.array([12, 95, 96, 97, 98, 99, 100]),
        train_loss=np.array([0.1026, 4.6988e-4, 5.7437e-4, 6.3242e-4, 5.3643e-4, 4.2413e-4, 4.8201e-4]),
        train_acc=np.array([0.9667, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        val_loss=np.array([0.1384, 0.1290, 0.1321, 0.1312, 0.1322, 0.1326, 0.1295]),
        val_acc=np.array([0.9733, 0.96, 0.96, 0.96, 0.96, 0.96, 0.96]),
    )


def smooth_training_wild_test() -> Run:
    # Drawn: monotone training curves, a test accuracy that fluctuates wildly, a test loss that rises (so the answer).
    t = np.arange(EPOCHS) / EPOCHS
    return run(
        train_loss=0.7 * np.exp(-4 * t),
        train_acc=rise(EPOCHS, 0.5, 1.0, 4.0),
        val_loss=0.7 + 1.5 * t,
        val_acc=between(0.4, 0.7, 12),
    )


def balanced_two_classes() -> Run:
    # About 3,000 images each for training and validation.
    return run(
        {"training_examples": 3000, "validation_examples": 3000, "num_classes": 2},
        axis=np.arange(1, 11),
        train_loss=np.array([2.27, 1.55, 1.07, 0.87, 0.59, 0.52, 0.38, 0.32, 0.21, 0.34]),
        train_acc=np.array([0.50, 0.50, 0.51, 0.58, 0.72, 0.79, 0.85, 0.88, 0.91, 0.88]),
        val_loss=np.array([3.29, 0.92, 1.43, 1.85, 0.58, 2.30, 0.17, 1.52, 0.14, 2.81]),
        val_acc=np.array([0.49, 0.50, 0.53, 0.61, 0.61, 0.50, 0.86, 0.60, 0.88, 0.49]),
    )


# --- the validation set ----------------------------------------------------------------------------------------------


def complementary_accuracies() -> Run:
    # The 128 images are not stated: the accuracies show them, and that the first two add up to one.
    return run(
        {"optimizer": "Adam", "learning_rate": 1e-3, "steps_per_epoch": 11, "num_classes": 2, "epochs": 40},
        axis=np.arange(1, 6),
        train_loss=np.array([0.9150, 1.1297, 1.3976, 0.7517, 0.7319]),
        train_acc=np.array([0.6183, 0.5153, 0.1474, 0.4707, 0.4734]),
        val_loss=np.array([3.7535, 11.2487, 2.3932, 3.1836, 0.8679]),
        val_acc=np.array([0.7344, 0.2656, 0.8516, 0.7266, 0.8750]),
    )


def weighted_and_unweighted_loss() -> Run:
    # Drawn: a training loss that falls smoothly, a validation loss that falls and fluctuates a lot.
    fall = 0.5 + 0.5 * np.exp(-3 * np.arange(EPOCHS) / EPOCHS)
    settings: dict[str, object] = {"model": "ResNet-18, last layer", "num_classes": 3}
    return run(settings, train_loss=fall, val_loss=fall + 0.1 + noise(EPOCHS, 0.08, 13))


def four_folds() -> Run:
    # Drawn: 100 epochs of a high and noisy accuracy on a fold of a quarter of the 9,724 images.
    settings: dict[str, object] = {"model": "VGG16", "optimizer": "SGD", "learning_rate": 0.01, "epochs": 100}
    settings |= {"training_examples": 7293, "validation_examples": 2431}
    return run(settings, val_acc=on_lattice(0.9 + noise(100, 0.02, 14), 2431))


def rate_of_nothing() -> Run:
    # Drawn: a validation loss anywhere between the stated 0.95 and 0.5.
    return run({"learning_rate": 1e-99}, val_loss=between(0.5, 0.95, 15))


def evaluated_again_without_training() -> Run:
    settings: dict[str, object] = {"model": "ResNet50", "optimizer": "SGD", "learning_rate": 1e-4, "momentum": 0.9}
    return run(settings, val_acc=np.array([0.833, 0.639, 0.654, 0.647, 0.744]))


def rate_zero_one_step() -> Run:
    settings: dict[str, object] = {"learning_rate": 0.0, "batch_size": 1, "steps_per_epoch": 1, "epochs": 20}
    return run(
        settings | {"validation_steps": 253},
        axis=np.array([9, 10]),
        train_loss=np.array([1.9891, 1.9890]),
        val_loss=np.array([2.4936, 2.5947]),
    )


def augmented_validation() -> Run:
    # Drawn: a validation loss with variance from epoch to epoch; no number is stated.
    return run(val_loss=1 + noise(EPOCHS, 0.1, 16))


# --- resuming, order of the data -------------------------------------------------------------------------------------


def worse_after_resuming() -> Run:
    # Validation from 86 % to 95.95 % in 14 epochs and again when loaded; then running means of training in epoch 14.
    settings: dict[str, object] = {"model": "LightCNN-29 v2", "learning_rate": 0.001}
    before = run(
        settings,
        axis=np.array([1.0, 13.0, 14.0]),
        val_loss=np.array([11.0, 0.28, 0.28508767582333855]),
        val_acc=np.array([86.0, 95.95, 95.95295308032168]),
    )
    after = run(
        axis=14 + np.array([0, 100, 200, 6100, 6200, 6300]) / 38671,
        train_loss=np.array([0.1796, 0.2752, 0.3149, 0.5597, 0.5611, 0.5625]),
        train_acc=np.array([94.531, 93.379, 92.405, 86.939, 86.915, 86.893]),
    )
    return replace(before, series=before.series + after.series, process_starts={"val_acc": (2,), "val_loss": (2,)})


def rate_back_at_its_start() -> Run:
    # Drawn: a rate that falls for 100 epochs and then is back at its first value (taken as 1; none is stated).
    rate = np.append(0.97 ** np.arange(100), 0.97 ** np.arange(10))
    return replace(run({"model": "MobileNet"}, lr=rate), process_starts={"lr": (100,)})


def jumps_when_the_epoch_changes() -> Run:
    # Drawn: a training loss that falls within each epoch and jumps back up at the next.
    return every_step(lambda at: 3 * np.exp(-at / 8) - 0.8 * (at % 1 - 0.5), 17)


def lowest_at_the_end_of_an_epoch() -> Run:
    # Drawn: the period is one epoch; lowest at its end, and a rapid rise at the start of the next.
    lowest = every_step(lambda at: 2 - 0.5 * np.where(at % 1 < 0.1, 1 - 10 * (at % 1), at % 1), 18)
    return replace(lowest, hyperparameters={"optimizer": "SGD", "momentum": 0.9})


def spike_and_cyclic_rise() -> Run:
    # Drawn: within each epoch a fast fall and a slow rise; one sudden large spike.
    def loss(at: np.ndarray) -> np.ndarray:
        course = np.where(at % 1 < 0.15, 0.5 - 10 / 3 * (at % 1), 0.6 * (at % 1) - 0.09)
        return 4 + course + np.where((at > 2.5) & (at < 2.54), 8.0, 0.0)

    return every_step(loss, 19, {"model": "ResNet-100", "batch_size": 512, "learning_rate": 0.1})


def period_of_one_epoch() -> Run:
    # Drawn: an oscillation with the period of an epoch, higher than what an epoch gains.
    return every_step(lambda at: 3 - 0.05 * at + 0.3 * np.sin(2 * np.pi * at), 20)


# --- what is between training and validation -------------------------------------------------------------------------


def mixup_and_label_smoothing() -> Run:
    # The second address of this row, keras-cv#923, states 55 % and 75 % with RandAugment and CutMix.
    settings: dict[str, object] = {"model": "HCGNet", "dataset": "cifar10", "mixup": True, "label_smoothing": True}
    return run(settings, train_acc=np.array([0.5]), val_acc=np.array([0.9]))


def share_of_the_majority() -> Run:
    # Drawn: training rises slowly to 100 %, validation stays around 65 %, which is the share of the larger class.
    settings: dict[str, object] = {"model": "ResNet-18", "num_classes": 2}
    return run(settings, train_acc=np.linspace(0.65, 1.0, EPOCHS), val_acc=0.65 + noise(EPOCHS, 0.01, 21))


def same_patients_in_both() -> Run:
    # Drawn: validation anywhere between the stated 10 % and 99 %, training outstanding.
    return run({"validation_split": 0.1}, train_acc=rise(EPOCHS, 0.8, 0.995), val_acc=between(0.1, 0.99, 22))


def accuracy_drops_to_zero() -> Run:
    # The zero at the end is stated without its step; it is put one logging interval later, in both accuracies.
    settings: dict[str, object] = {"learning_rate": 0.01, "batch_size": 128, "epochs": 40}
    steps = np.arange(202_600, 203_200, 100)
    return replace(
        run(settings | {"lr_scheduler": "CyclicalCosine"}),
        series=(
            logged_at(steps[:5], np.array([0.009126, 0.009125, 0.009124, 0.009123, 0.009122]), "lr"),
            logged_at(steps[:5], np.array([0.795570, 0.859082, 0.968477, 0.801612, 0.718845]), "train_loss"),
            logged_at(steps, np.array([0.851562, 0.843750, 0.835938, 0.843750, 0.859375, 0.0]), "train_acc"),
            logged_at(steps[4:], np.array([0.8426573426573427, 0.0]), "val_acc"),
        ),
    )


def waves_of_weight_decay() -> Run:
    # Drawn: large waves of the validation loss that fade, .92 after 30 epochs. A decay of 0.1 and more makes the waves.
    t = np.arange(30) / 30
    waves = np.abs(np.sin(2 * np.pi * 3.3 * t)) * (1 - t)
    settings: dict[str, object] = {"model": "ResNet56v2", "dataset": "cifar10", "optimizer": "AdamW", "epochs": 30}
    return run(
        settings | {"batch_size": 64, "weight_decay": 0.1},
        val_loss=1.2 * np.exp(-3 * t) + 0.25 + 0.8 * waves + noise(30, 0.01, 23),
        val_acc=on_lattice(rise(30, 0.4, 0.925, 6.0) - 0.2 * waves + noise(30, 0.002, 24), 10_000),
    )


def _github(repository: str, number: int) -> str:
    return f"https://github.com/{repository}/issues/{number}"


def _asked(
    number: int,
    repository: str,
    issue: int,
    make: Callable[[], Run],
    right: str,
    why: str,
    *,
    benign: bool = False,
    address: str = "",
) -> Thread:
    """Make a row; ``right`` are names with blanks between, ``address`` is for what is not on GitHub."""
    where = address or _github(repository, issue)
    return Thread(number, f"{repository}#{issue}", where, make, frozenset(right.split()), why, benign)


_STATS = "https://stats.stackexchange.com/questions/"

THREADS: tuple[Thread, ...] = (
    _asked(1, "keras-team/keras", 10666, unet_with_batch_norm, "batchnorm-statistics", "momentum .99 to .9 cured it"),
    _asked(2, "keras-team/keras", 10216, two_images_at_rate_zero, "batchnorm-statistics", "no weight changes, only BN"),
    _asked(3, "keras-team/keras", 3366, oscillates_since_batch_norm, "batchnorm-statistics learning-rate-too-high",
           "began with BN; no answer"),
    _asked(4, "keras-team/keras", 9214, fine_tuning_fails, "batchnorm-statistics", "VGG16, without BN, works"),
    _asked(5, "techqa", 74946623, both_swing_in_evaluation_mode, "batchnorm-statistics",
           "gone without eval()",
           address="https://techqa.club/v/q/why-does-the-accuracy-fluctuate-widely-after-using-batch-normalization-74946623"),
    _asked(6, "apache/mxnet", 6863, validated_on_the_training_images, "batchnorm-statistics",
           "the same images, other mode; unresolved"),
    _asked(7, "apache/mxnet", 4637, falls_at_epoch_eleven, "batchnorm-statistics",
           "training is normal; closed without a cause"),
    _asked(8, "apache/mxnet", 1138, validation_falls_training_rises, "overfitting batchnorm-statistics",
           "no answer seen"),
    _asked(9, "apache/mxnet", 2282, gradual_decline, "overfitting", "more augmentation was the answer"),
    _asked(10, "tornadomeet/ResNet", 18, rate_had_dropped, "", "the rate had been lowered", benign=True),
    _asked(11, "akamaster/pytorch_resnet_cifar10", 31, ten_percent_for_a_hundred_epochs,
           "learning-rate-too-high divergence", "asker: .1 is too large"),
    _asked(12, "scheckmedia/keras-shufflenet", 2, below_chance, "batchnorm-statistics unrepresentative-split",
           "below chance; unresolved"),
    _asked(13, "keras-team/keras", 2718, noisy_on_another_domain, "validation-set-too-small unrepresentative-split",
           "small set? other domain"),
    _asked(14, "keras-team/keras", 5220, loss_rises_accuracy_wild,
           "learning-rate-too-high divergence optimizer-instability", "no answer; training loss rises"),
    _asked(15, "keras-team/keras", 1971, one_image_of_seventy_five, "validation-set-too-small",
           "the whole fall is one image of 75"),
    _asked(16, "stats.stackexchange", 255105, smooth_training_wild_test, "overfitting validation-set-too-small",
           "overfit; a metric that jumps", address=f"{_STATS}255105"),
    _asked(17, "stats.stackexchange", 478017, balanced_two_classes, "learning-rate-too-high",
           "the rate was the answer", address=f"{_STATS}478017"),
    _asked(18, "stats.stackexchange", 317699, complementary_accuracies,
           "class-imbalance validation-set-resampled validation-set-too-small",
           "flips between two classes on 128 images; no answer", address=f"{_STATS}317699"),
    _asked(19, "datascience.stackexchange", 31113, weighted_and_unweighted_loss,
           "class-imbalance unrepresentative-split batch-size-too-small learning-rate-too-high",
           "a list of guesses", address="https://datascience.stackexchange.com/questions/31113"),
    _asked(20, "discuss.pytorch", 157199, four_folds, "validation-set-too-small learning-rate-too-high",
           "noisy folds; smooth at a lower rate",
           address="https://discuss.pytorch.org/t/learning-rate-vs-validation-accuracy/157199"),
    _asked(21, "nasa/pretrained-microscopy-models", 13, rate_of_nothing, "validation-set-resampled",
           "nothing is learnt, so the set changes"),
    _asked(22, "tensorflow/tensorflow", 12789, evaluated_again_without_training, "validation-set-resampled",
           "a random validation generator"),
    _asked(23, "keras-team/keras", 13173, rate_zero_one_step, "validation-set-resampled",
           "the validation images are not fixed"),
    _asked(24, "azavea/raster-vision", 6, augmented_validation, "validation-set-resampled",
           "shuffled and augmented each epoch"),
    _asked(25, "AlfredXiangWu/LightCNN", 49, worse_after_resuming, "resumed-run", "the optimizer was not saved"),
    _asked(26, "IntelLabs/distiller", 145, rate_back_at_its_start, "resumed-run", "the optimizer was not loaded"),
    _asked(27, "sirius-ai/MobileFaceNet_TF", 7, jumps_when_the_epoch_changes, "unshuffled-training-data",
           "shuffle buffer too small"),
    _asked(28, "apache/mxnet", 6802, lowest_at_the_end_of_an_epoch, "unshuffled-training-data",
           "no shuffle in the iterator"),
    _asked(29, "deepinsight/insightface", 377, spike_and_cyclic_rise, "unshuffled-training-data",
           "only part of the data is shuffled"),
    _asked(30, "mlfoundations/open_clip", 822, period_of_one_epoch, "unshuffled-training-data",
           "shards are shuffled, not samples"),
    _asked(31, "winycg/HCGNet", 2, mixup_and_label_smoothing, "augmentation-too-strong",
           "training is measured on mixed images", benign=True),
    _asked(32, "pytorch/pytorch", 23295, share_of_the_majority, "class-imbalance overfitting",
           "65 % is the larger class; no answer"),
    _asked(33, "ankur219/ECG-Arrhythmia-classification", 4, same_patients_in_both, "leaky-split batchnorm-statistics",
           "same patients in both, which explains no fluctuation"),
    _asked(34, "PaddlePaddle/PaddleOCR", 3254, accuracy_drops_to_zero, "learning-rate-too-high divergence",
           "the rate is 50 times too large"),
    _asked(35, "anracom", 20240615, waves_of_weight_decay, "",
           "strong weight decay, good at the end",
           benign=True, address="https://machine-learning.anracom.com/2024/06/15/"),
)  # fmt: skip
