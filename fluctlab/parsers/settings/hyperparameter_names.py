"""One table from the names people give hyperparameters to the standard ones, and settings that stand in file names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fluctlab.model import Scalar
from fluctlab.parsers.numbers import read_number

__all__ = ["ALIASES", "canonical", "from_file_name", "is_hyperparameter_name", "standard_name"]

#: Standard name -> names people use, best first. Compared in lower snake case, ``/`` as ``.`` (``batchSize`` is
#: ``batch_size``); the last part of a dotted name is enough (``optimizer.lr``) unless a part before it is in ``_OTHER``.
ALIASES: dict[str, tuple[str, ...]] = {
    "learning_rate": tuple(
        "learning_rate lr base_lr base_learning_rate initial_lr init_lr lr0 lr_0 initial_learning_rate init_learning_rate"
        " learningrate start_lr start_learning_rate lr_init lr_start max_lr max_learning_rate peak_lr peak_learning_rate".split()
    ),
    "batch_size": tuple(
        "global_batch_size total_batch_size effective_batch_size batch_size batchsize train_batch_size training_batch_size"
        " batch_size_train per_device_train_batch_size bs batch batchsz mini_batch_size minibatch_size minibatch samples_per_gpu"
        " images_per_batch ims_per_batch batch_sz nb_batch_size".split()
    ),
    "weight_decay": tuple(
        "weight_decay wd weightdecay wdecay l2 l2_reg l2_regularization weight_decay_rate decay_weight".split()
    ),
    "momentum": tuple("momentum sgd_momentum mom opt_momentum momentum_sgd".split()),
    "epochs": tuple(
        "epochs max_epochs num_epochs n_epochs nb_epochs nb_epoch max_epoch num_epoch n_epoch total_epochs total_epoch"
        " train_epochs training_epochs num_train_epochs epoch_num_total end_epoch".split()
    ),
    "optimizer": tuple(
        "optimizer optimizer_name optimizer.name optimizer.type optimizer._target_ optimizer.class_name optim opt opt_name"
        " optimiser optim_method optim.name solver optimizer_type".split()
    ),
    "seed": tuple("seed random_seed rng_seed manual_seed global_seed random_state np_seed torch_seed".split()),
    "validation_examples": tuple(
        "validation_examples num_validation_examples validation.num_examples val.num_examples valid.num_examples eval_samples"
        " validation_samples val_samples num_val_examples num_val_samples num_validation_samples n_val n_valid num_val"
        " val_examples eval_examples validation_size val_size valid_size n_validation num_eval_samples max_eval_samples"
        " val_dataset_length val_dataset_size validation_dataset_length validation_dataset_size".split()
    ),
    "training_examples": tuple(
        "training_examples num_training_examples num_train_examples train.num_examples train_samples training_samples"
        " train_examples num_train_samples n_train num_train train_size training_size".split()
    ),
    "num_classes": tuple(
        "num_classes n_classes nb_classes nclasses num_class n_class nb_class nb_cls num_cls num_labels n_cls".split()
    ),
    "dropout": tuple("dropout dropout_rate drop_rate dropout_prob dropout_p p_dropout drop_prob drop".split()),
    "label_smoothing": tuple("label_smoothing smoothing label_smooth label_smoothing_factor".split()),
    "model": tuple(
        "model model_name arch architecture backbone network net classifier model_type model.name model_arch".split()
    ),
    "dataset": tuple("dataset dataset_name data_set dataset.name data_name dataset_type".split()),
}

_TEXT_NAMES = frozenset({"optimizer", "model", "dataset"})
_COUNTS = frozenset({"batch_size", "epochs", "seed", "validation_examples", "training_examples", "num_classes"})
#: A size of one example, or a share such as 0.2, is no number of examples.
_SMALLEST = {
    "validation_examples": 2,
    "training_examples": 2,
    "num_classes": 2,
    "batch_size": 1,
    "epochs": 1,
    "seed": 0,
}
#: Parts of a dotted name below which a setting belongs to something else than the training of this model.
_OTHER = re.compile(
    r"(?:^|_|\.)(?:eval|val|valid|validation|test|inference|teacher|ema|bn|norm|batch_?norm|warmup|scheduler|discriminator|augment\w*)(?:_|\.|$)"
)
_OPTIMISER_PREFIX = re.compile(
    r"^(?:(?:sgd|lars|adam|adamw|lamb|rmsprop)_)?opt_(?=base_learning_rate$|learning_rate$|weight_decay$|momentum$)"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_RANK: dict[str, tuple[str, int]] = {
    alias: (standard, rank) for standard, aliases in ALIASES.items() for rank, alias in enumerate(aliases)
}


def _normal(name: str) -> str:
    name = _CAMEL.sub("_", name.strip()).lower().replace("-", "_").replace(" ", "_").replace("/", ".").lstrip("-_.")
    return _OPTIMISER_PREFIX.sub("", name)


def _match(name: str) -> tuple[str, int] | None:
    """Return the standard name and how good the match is (small is good)."""
    normal = _normal(name[:512])
    found = _RANK.get(normal)
    if found:
        return found
    head, _, last = normal.rpartition(".")
    if not head or _OTHER.search(head):
        return None
    two = f"{head.rpartition('.')[2]}.{last}"
    found = _RANK.get(two) or _RANK.get(_OPTIMISER_PREFIX.sub("", last))
    return (found[0], found[1] + 100 * (head.count(".") + 1)) if found else None


def standard_name(name: str) -> str | None:
    """Return the standard name of a hyperparameter, or None.

    Examples
    --------
    >>> standard_name("batchSize"), standard_name("optimizer.lr"), standard_name("bn.momentum")
    ('batch_size', 'learning_rate', None)
    """
    found = _match(name)
    return found[0] if found else None


def is_hyperparameter_name(name: str) -> bool:
    """Whether a constant column of a table is a setting. A learning rate is not: it is a curve, even where it is flat."""
    return standard_name(name) not in (None, "learning_rate", "epochs") or _normal(name) in (
        "nesterov",
        "warmup_epochs",
        "n_params",
        "n_parameters",
        "num_params",
        "num_parameters",
    )


def _standard_value(standard: str, value: Scalar) -> Scalar:
    """Return the value if it can be one of this hyperparameter, else None."""
    if standard in _TEXT_NAMES:
        return value if isinstance(value, str) and value.strip() and len(value) <= 200 else None
    if isinstance(value, bool) or value is None:
        return None
    number = read_number(value) if isinstance(value, str) else None
    amount = float(value) if isinstance(value, (int, float)) else number.value if number else None
    if amount is None or amount != amount or abs(amount) == float("inf"):  # noqa: PLR0124 - NaN
        return None
    if standard in _COUNTS:
        return int(amount) if amount.is_integer() and amount >= _SMALLEST[standard] else None
    return amount if amount >= 0 else None


def canonical(hyperparameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return the hyperparameters as they are, and beside them the standard names that they stand for.

    A standard name that is logged itself is never overwritten; of several aliases the best of ``ALIASES`` counts. A value
    that cannot be one of that name (a share of the data for a number of examples, ``True`` for label smoothing) is passed.

    Examples
    --------
    >>> canonical({"lr": "1e-3", "bs": 128, "val_size": 0.2})
    {'lr': '1e-3', 'bs': 128, 'val_size': 0.2, 'learning_rate': 0.001, 'batch_size': 128}
    """
    best: dict[str, tuple[int, int, Scalar]] = {}
    for order, (name, value) in enumerate(hyperparameters.items()):
        found = _match(name)
        if found is None or found[0] in hyperparameters:
            continue
        standard, rank = found
        kept = _standard_value(standard, value)
        if kept is not None and (standard not in best or (rank, order) < best[standard][:2]):
            best[standard] = (rank, order, kept)
    return {**hyperparameters, **{name: best[name][2] for name in ALIASES if name in best}}


_NUMBER = r"(\d+(?:\.\d+)?(?:e-?\d+)?)"
_IN_NAME = re.compile(
    r"(?<![a-z0-9])(?P<key>final_lr|base_lr|init_lr|max_lr|min_lr|lr|learning_?rate|wd|wdecay|weight_?decay|momentum|mom|bs"
    r"|batch_?size|batch|epochs|seed|gamma|dropout|betas|beta1|beta2|eps)[=_-]?"
    + _NUMBER
    + r"(?:[-,_]"
    + _NUMBER
    + r")?(?![0-9a-z])",
    re.IGNORECASE,
)
_PADDED_BATCH = re.compile(r"(?<![a-z0-9])b0*([1-9]\d{2,5})(?![0-9a-z.])", re.IGNORECASE)
_OPTIMISERS = frozenset(
    "sgd adam adamw adagrad adadelta amsgrad adabound amsbound adabelief rmsprop nadam radam lamb lars nesterov adafactor lion".split()
)
_KEYS = {
    "mom": "momentum",
    "wdecay": "weight_decay",
    "weightdecay": "weight_decay",
    "wd": "weight_decay",
    "bs": "batch_size",
}
_KEYS |= {"batchsize": "batch_size", "batch": "batch_size", "learningrate": "learning_rate", "lr": "learning_rate"}


def from_file_name(name: str) -> dict[str, Scalar]:
    """Read settings from a file or folder name: a known key directly followed by a number, and the optimizer's name.

    Examples
    --------
    >>> from_file_name("resnet-adam-lr0.001-betas0.99-0.999")
    {'optimizer': 'adam', 'learning_rate': 0.001, 'betas': '0.99, 0.999'}
    >>> from_file_name("resnet50_b0256_wd5e-4")
    {'batch_size': 256, 'weight_decay': 0.0005}
    """
    base = name.replace("\\", "/").rstrip("/").rpartition("/")[2][:512]
    found: dict[str, Scalar] = {}
    words = [word for word in re.split(r"[^a-z]+", base.lower()) if word in _OPTIMISERS]
    if len(set(words)) == 1:
        found["optimizer"] = words[0]
    padded = _PADDED_BATCH.search(base)
    if padded:
        found["batch_size"] = int(padded.group(1))
    for match in _IN_NAME.finditer(base):
        key = match.group("key").lower()
        key = _KEYS.get(key, key)
        first, second = match.group(2), match.group(3)
        if key == "betas":
            if second:
                found.setdefault(key, f"{first}, {second}")
            continue
        value = float(first.lower())
        found.setdefault(key, int(value) if key in _COUNTS and value.is_integer() else value)
    return found
