"""Several seeds of one training side by side: their networks stacked into one, group by group.

A step of a small network costs a processor more in calls than in arithmetic. So the networks are put beside each other as
groups of channels (convolutions with ``groups``), which normalise, learn and forget each on its own: the loss is the sum of
theirs, and every optimizer here works number by number. Each network sees the images and the order of its own seed, and
comes to what it would come to alone, to within rounding (a test holds this).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fluctlab.confirm.data import LabelledImages
from fluctlab.confirm.faults import Plan
from fluctlab.confirm.resnet import BasicBlock, ResNet
from fluctlab.confirm.settings import TrainingSettings, learning_rate_at
from fluctlab.confirm.train import TrainingData, build_model, build_optimizer, order_of
from fluctlab.errors import UsageError

__all__ = ["CURVES", "Member", "StackedResNet", "train_stack"]

#: What is kept of every epoch. Accuracies are fractions; ``balanced_accuracy`` is the mean over the classes of the
#: independent sample, ``training_*`` are those of the batches as they were trained on.
CURVES = (
    "learning_rate", "training_loss", "training_accuracy", "validation_loss", "validation_accuracy", "true_accuracy",
    "balanced_accuracy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """One training of a stack: its settings, its images, and its validation set in every epoch."""

    plan: Plan
    data: TrainingData
    validation: Callable[[int], LabelledImages]


class _StackedBlock(nn.Module):
    """The same basic block of every network, as groups of channels."""

    def __init__(self, blocks: Sequence[BasicBlock]) -> None:
        super().__init__()
        self.count, self.stride = len(blocks), blocks[0].stride
        self.new_channels = blocks[0].new_channels
        self.convolution1 = _stacked_convolution([b.convolution1 for b in blocks])
        self.convolution2 = _stacked_convolution([b.convolution2 for b in blocks])
        self.norm1 = _stacked_norm([b.norm1 for b in blocks])
        self.norm2 = _stacked_norm([b.norm2 for b in blocks])

    def forward(self, images: Tensor) -> Tensor:
        residual = functional.relu(self.norm1(self.convolution1(images)))
        residual = self.norm2(self.convolution2(residual))
        shortcut = images[:, :, :: self.stride, :: self.stride]
        if self.new_channels:
            count, channels, height, width = shortcut.shape
            groups = shortcut.reshape(count, self.count, channels // self.count, height, width)
            shortcut = functional.pad(groups, (0, 0, 0, 0, 0, self.new_channels)).reshape(count, -1, height, width)
        return functional.relu(residual + shortcut)


def _stacked_convolution(parts: Sequence[nn.Conv2d]) -> nn.Conv2d:
    first, count = parts[0], len(parts)
    made = nn.Conv2d(
        count * first.in_channels, count * first.out_channels, 3, stride=first.stride[0], padding=1, bias=False, groups=count
    )  # fmt: skip
    with torch.no_grad():
        made.weight.copy_(torch.cat([part.weight for part in parts]))
    return made


def _stacked_norm(parts: Sequence[nn.BatchNorm2d]) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(len(parts) * parts[0].num_features, momentum=parts[0].momentum)


class StackedResNet(nn.Module):
    """Networks of one shape side by side.

    Parameters
    ----------
    members : sequence of ResNet
        Networks of the same depth, width, channels and classes; their weights are copied.
    """

    def __init__(self, members: Sequence[ResNet]) -> None:
        super().__init__()
        self.count = len(members)
        self.stem = _stacked_convolution([m.stem for m in members])
        self.norm = _stacked_norm([m.norm for m in members])
        layers = zip(*(m.blocks for m in members), strict=True)
        self.blocks = nn.Sequential(*(_StackedBlock(layer) for layer in layers))
        self.dropout = nn.Dropout(members[0].dropout.p)
        self.weight = nn.Parameter(torch.stack([m.classifier.weight.detach().T for m in members]).contiguous())
        self.bias = nn.Parameter(torch.stack([m.classifier.bias.detach()[None] for m in members]))

    def forward(self, images: Tensor) -> Tensor:
        """Map images of shape (n, members * channels, h, w) to logits of shape (members, n, classes)."""
        features = self.blocks(functional.relu(self.norm(self.stem(images)))).mean(dim=(2, 3))
        features = self.dropout(features).view(len(images), self.count, -1).transpose(0, 1)
        return torch.baddbmm(self.bias, features, self.weight)


def _beside(sets: Sequence[LabelledImages], device: str) -> tuple[Tensor, Tensor]:
    """Return images of shape (n, members * channels, h, w), channels last in memory, and labels of shape (members, n)."""
    images = torch.cat([part.images for part in sets], dim=1).to(device)
    labels = torch.stack([part.labels for part in sets]).to(device)
    return images.contiguous(memory_format=torch.channels_last), labels


@dataclass(slots=True)
class _Epochs:
    """The state of a stack in training: what an interruption takes away is the optimizer's memory."""

    model: StackedResNet
    optimizer: torch.optim.Optimizer
    settings: TrainingSettings
    generators: list[torch.Generator]
    priors: Tensor | None

    def train(self, sets: Sequence[LabelledImages]) -> tuple[np.ndarray, np.ndarray]:
        """Train on every image once; return loss and accuracy of each member, shape (members,)."""
        settings = self.settings
        self.model.train()
        orders = [order_of(part.labels, settings, g) for part, g in zip(sets, self.generators, strict=True)]
        # where labels were left out, the sets differ in size: all train on as many images as the smallest
        count = min(map(len, orders)) // settings.batch_size * settings.batch_size
        orders = [order[:count] for order in orders]
        ordered = [LabelledImages(p.images[o], p.labels[o]) for p, o in zip(sets, orders, strict=True)]
        images, labels = _beside(ordered, settings.device)
        losses, right = [], torch.zeros(len(sets), device=labels.device)
        for start in range(0, labels.shape[1], settings.batch_size):
            part = slice(start, start + settings.batch_size)
            with _precision(settings.device):
                loss, logits = self._loss(images[part], labels[:, part])
            self.optimizer.zero_grad(set_to_none=True)
            loss.sum().backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            losses.append(loss.detach())
            right += (logits.detach().argmax(dim=2) == labels[:, part]).sum(dim=1)
        mean = torch.stack(losses).double().mean(dim=0).cpu().numpy()
        return mean, (right / labels.shape[1]).cpu().numpy()

    def _loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each member, shape (members,), and the logits."""
        if not self.settings.mixup:
            logits = self.model(images).float()
            return self._cross_entropy(logits, labels), logits
        members, count = labels.shape
        shares, partners = zip(*(self._partner(count, g) for g in self.generators), strict=True)
        share = torch.tensor(shares, dtype=images.dtype, device=images.device)
        apart = images.reshape(count, members, -1, *images.shape[2:])
        other = torch.stack([apart[p.to(images.device), i] for i, p in enumerate(partners)], dim=1)
        shape = (1, members, 1, 1, 1)
        mixed = (share.view(shape) * apart + (1.0 - share.view(shape)) * other).reshape(images.shape)
        logits = self.model(mixed.contiguous(memory_format=torch.channels_last)).float()
        their = torch.stack([labels[i][p.to(labels.device)] for i, p in enumerate(partners)])
        return share * self._cross_entropy(logits, labels) + (1.0 - share) * self._cross_entropy(logits, their), logits

    def _partner(self, count: int, generator: torch.Generator) -> tuple[float, Tensor]:
        # the draws of train.train_epochs, in its order
        seed = int(torch.randint(1 << 62, (), generator=generator))
        share = float(np.random.default_rng(seed).beta(self.settings.mixup, self.settings.mixup))
        return max(share, 1.0 - share), torch.randperm(count, generator=generator)

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.priors is not None:
            return self._adjusted(logits, labels, self.priors)
        loss = functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), label_smoothing=self.settings.label_smoothing, reduction="none"
        )
        return loss.view(labels.shape).mean(dim=1)

    def _adjusted(self, logits: Tensor, labels: Tensor, priors: Tensor) -> Tensor:
        """Return the loss with logits adjusted by the logarithm of the classes' shares (Menon et al. 2021, arXiv:2007.07314).

        What label smoothing takes from the label goes to the classes by their shares: in equal parts it would ask for more of
        a rare class than there is.
        """
        share = self.settings.label_smoothing
        logarithms = functional.log_softmax(logits + priors, dim=2)
        own = logarithms.gather(2, labels[:, :, None])[:, :, 0]
        return -((1.0 - share) * own + share * (priors.exp() * logarithms).sum(dim=2)).mean(dim=1)


def _precision(device: str) -> torch.autocast:
    """Return mixed precision for a graphics card that has bfloat16, which needs no scaling of the loss; else nothing."""
    kind = device.split(":", maxsplit=1)[0]
    enabled = kind == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(kind if kind in ("cuda", "cpu") else "cpu", dtype=torch.bfloat16, enabled=enabled)


def _measure(model: StackedResNet, images: Tensor, labels: Tensor, at_once: int = 250) -> tuple[Tensor, Tensor]:
    """Return the summed loss of each member, shape (members,), and whether each answer is right, (members, n)."""
    model.eval()
    losses, right = [], []
    with torch.inference_mode(), _precision(str(images.device)):
        for start in range(0, len(images), at_once):
            logits = model(images[start : start + at_once]).float()
            here = labels[:, start : start + at_once]
            loss = functional.cross_entropy(logits.flatten(0, 1), here.flatten(), reduction="none")
            losses.append(loss.view(here.shape).sum(dim=1))
            right.append(logits.argmax(dim=2) == here)
    return torch.stack(losses).sum(dim=0), torch.cat(right, dim=1)


def _balanced(right: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean over classes of the share of right answers, shape (members,)."""
    found = []
    for answers, truth in zip(right, labels, strict=True):
        counts = np.bincount(truth)
        found.append(float((np.bincount(truth, weights=answers)[counts > 0] / counts[counts > 0]).mean()))
    return np.array(found)


def _priors(members: Sequence[Member]) -> Tensor | None:
    """Return the logarithm of the shares of the classes in training, shape (members, 1, classes), where it is asked for."""
    if not members[0].plan.images.balanced:
        return None
    counts = [torch.bincount(m.data.training.labels, minlength=m.data.classes).float() + 0.5 for m in members]
    return torch.stack([(c / c.sum()).log()[None] for c in counts]).to(members[0].plan.training.device)


def train_stack(members: Sequence[Member]) -> Iterator[Mapping[str, np.ndarray]]:
    """Train and yield after each epoch what it came to: a curve's name -> its value for each member, shape (members,).

    Parameters
    ----------
    members : sequence of Member
        Plans that are equal but for their seeds; one device.

    Raises
    ------
    UsageError
        If the plans differ in more than seeds, average weights, or ask for a batch larger than an epoch.
    """
    first = members[0].plan.training
    for member in members:
        if replace(member.plan.training, seed=first.seed) != first or first.averaging != "none":
            raise UsageError("Trainings side by side differ in nothing but their seeds, and average no weights.")
    per_epoch = min(m.data.images_per_epoch for m in members)
    if not 0 < first.batch_size <= per_epoch or first.epochs < 1:
        raise UsageError(f"{per_epoch} training images give no batch of {first.batch_size}, or no epochs.")
    seeds = [m.plan.training.seed for m in members]
    model = StackedResNet(
        [build_model(replace(m.plan.training, device="cpu"), m.data.channels, m.data.classes) for m in members]
    )
    model = model.to(first.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    generators = [torch.Generator().manual_seed(seed + 7_919) for seed in seeds]
    state = _Epochs(model, build_optimizer(first, model), first, generators, _priors(members))
    stop = members[0].plan.interruption
    test_images, test_labels = _beside([m.data.test for m in members], first.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sum(seeds))  # dropout draws from the global generator
        dropout = torch.get_rng_state()
    for epoch in range(first.epochs):
        if stop is not None and epoch == stop.killed_after:
            state.optimizer = build_optimizer(first, model)
        rate = learning_rate_at(first, epoch)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        sets = [m.data.training_epoch(g) for m, g in zip(members, generators, strict=True)]
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(dropout)
            loss, accuracy = state.train(sets)
            dropout = torch.get_rng_state()
        images, labels = _beside([m.validation(epoch) for m in members], first.device)
        validation_loss, validation_right = _measure(model, images, labels)
        _, right = _measure(model, test_images, test_labels)
        answers = right.cpu().numpy()
        yield {
            "learning_rate": np.full(len(members), rate),
            "training_loss": loss,
            "training_accuracy": accuracy,
            "validation_loss": (validation_loss.double() / labels.shape[1]).cpu().numpy(),
            "validation_accuracy": validation_right.double().mean(dim=1).cpu().numpy(),
            "true_accuracy": answers.mean(axis=1),
            "balanced_accuracy": _balanced(answers, test_labels.cpu().numpy()),
        }
