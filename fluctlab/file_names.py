"""What the name of a log file says: which part of the data it is of, and which training, once the words all logs share are gone."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["splits", "stem"]

_PARTS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "eval": "val", "test": "test", "testing": "test",
}  # fmt: skip
#: Words that name a kind of file and no training.
_COMMON = frozenset(
    "log logs logger metrics metric history hist results result output out err stdout stderr run events console terminal"
    " progress scalars scalar summary data nohup slurm job main info curve curves stats record lr learning rate loss losses acc"
    " accuracy accuracies error errors top1 top5 epoch epochs step steps version csv json jsonl txt tsv yaml dat pkl npy npz gz tar"
    " trainer state wandb tfevents keras my the of per".split()
)
_WORDS = re.compile(r"[A-Za-z]+|\d+")
_ENDING = re.compile(r"(?:\.[A-Za-z]\w{0,7}){1,2}$")


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(_ENDING.sub("", name[:512]))]


def stem(name: str) -> str:
    """Return what is left of a file's name without parts of the data, kinds of file, dates: the training's own words.

    Examples
    --------
    >>> stem("resnet18_train_loss.csv"), stem("val.log"), stem("20230801_120000.log")
    ('resnet 18', '', '')
    """
    kept = [word for word in _words(name) if word not in _PARTS and word not in _COMMON]
    return " ".join(word for word in kept if not (word.isdigit() and len(word) >= 4))


def splits(names: Sequence[str]) -> dict[str, str]:
    """Return the part of the data of each file whose name differs from another's in that alone.

    A lone ``train.log`` is the log of a training and says nothing about the part.

    Examples
    --------
    >>> splits(["train.csv", "val.csv", "notes.csv"]), splits(["train.log"])
    ({'train.csv': 'train', 'val.csv': 'val'}, {})
    """
    families: dict[tuple[str, ...], dict[str, str]] = {}
    for name in names:
        words = _words(name)
        found = [word for word in words if word in _PARTS]
        if len(found) == 1:
            rest = (*(word for word in words if word not in _PARTS), name[len(_ENDING.sub("", name)) :].lower())
            families.setdefault(rest, {})[name] = _PARTS[found[0]]
    return {
        name: part
        for family in families.values()
        if len(set(family.values())) > 1 and len(set(family.values())) == len(family)
        for name, part in family.items()
    }
