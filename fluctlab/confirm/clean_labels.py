"""Which labels to trust: those that a network trained on the other half of the images does not deny."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional

from fluctlab.confirm.data import LabelledImages
from fluctlab.confirm.faults import Plan
from fluctlab.confirm.lab_data import ImageSettings, LabData, ValidationSettings
from fluctlab.confirm.settings import TrainingSettings
from fluctlab.confirm.train import build_model, train_epochs

__all__ = ["trusted"]

#: Epochs of the two networks that judge: few, since noise is learnt last (Arpit et al. 2017, arXiv:1706.05394).
_EPOCHS = 12


def trusted(images: LabelledImages, classes: int, seed: int) -> np.ndarray:
    """Say of each label whether it is trusted, shape (n,).

    Confident learning (Northcutt et al. 2021, arXiv:1911.00068): each half is judged by a network trained on the other. A
    label is denied where another class reaches the mean probability which that class has among images labelled so, and
    is the most probable one.

    Parameters
    ----------
    images : LabelledImages
        Training images with labels that may be wrong.
    classes : int
        Number of classes.
    seed : int
        Of the halves and the networks.
    """
    order = torch.from_numpy(np.random.default_rng([seed, 41]).permutation(len(images)))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    probability = torch.zeros(len(images), classes)
    for mine, other in (halves, halves[::-1]):
        probability[mine] = _judged(images, other, mine, classes, seed)
    given = images.labels
    usual = torch.full((classes,), 1.0)
    for label in range(classes):
        among = probability[given == label, label]
        if len(among):
            usual[label] = among.mean()
    confident = torch.where(probability >= usual, probability, torch.zeros(()))
    denied = (confident.max(dim=1).values > 0) & (confident.argmax(dim=1) != given)
    keep = ~denied
    for label in range(classes):  # no class is lost
        if not keep[given == label].any():
            keep |= given == label
    return keep.numpy()


def _judged(
    images: LabelledImages, learnt: torch.Tensor, judged: torch.Tensor, classes: int, seed: int
) -> torch.Tensor:
    """Train on some of the images and return the probabilities of the classes of others."""
    part = LabelledImages(images.images[learnt], images.labels[learnt])
    settings = ImageSettings(
        image_set="own", size=part.images.shape[-1], pool=len(part), per_epoch=len(part), augmentation=0.1
    )
    training = TrainingSettings(epochs=_EPOCHS, batch_size=min(32, len(part)), learning_rate=0.05, seed=seed)
    plan = Plan(training=training, images=settings, validation=ValidationSettings())
    one = LabelledImages(part.images[:1], part.labels[:1])
    data = LabData(settings, part, one, one, classes)
    model = build_model(replace(plan.training), data.channels, classes)
    for _ in train_epochs(plan.training, data, model=model):
        pass
    model.eval()
    with torch.inference_mode():
        return torch.cat([functional.softmax(model(p), dim=1) for p in torch.split(images.images[judged], 500)])
