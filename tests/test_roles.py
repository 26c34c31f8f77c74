import numpy as np
import pytest

from fluctlab.errors import UsageError
from fluctlab.model import Run, Series, frozen_array
from fluctlab.roles import assign, words_of


def run_of(*names, directories=None):
    directories = directories or {}
    return Run(
        "r",
        "csv",
        series=tuple(
            Series(
                n,
                frozen_array(np.linspace(0.1, 0.9, 12)),
                frozen_array(np.arange(12)),
                directory=directories.get(n, ""),
            )
            for n in names
        ),
    )


@pytest.mark.parametrize(
    "name",
    [
        "val_acc",
        "val_accuracy",
        "val/acc",
        "valid/accuracy",
        "accuracy/val",
        "Acc/val",
        "Test/Accuracy",
        "test_acc",
        "eval_accuracy",
        "val/main/accuracy",
        "Validation-accuracy",
        "eval_top1",
        "val_Acc@1",
        "Valid Acc.",
        "valAcc",
        "valacc",
        "val_sparse_categorical_accuracy",
        "val_prec1",
        "validation/top-1",
    ],
)
def test_names_people_use_for_validation_accuracy_are_known(name):
    match = assign(run_of(name, "train_loss")).best("validation_accuracy")
    assert match is not None
    assert match.series.name == name


@pytest.mark.parametrize(
    "name",
    [
        "val_acc_mean_pos",
        "hp_metric",
        "best_val_acc",
        "final_val_acc",
        "val_ece",
        "ECE/val",
        "eval_f1",
        "val_acc_top5",
        "eval_top5",
        "Prec@5",
        "accumulated_eval_time",
        "validation/num_examples",
        "val_loss",
        "learning_rate",
    ],
)
def test_false_friends_are_not_validation_accuracy(name):
    assert assign(run_of(name, "train_loss")).best("validation_accuracy") is None


def test_keras_bare_accuracy_is_training_even_without_validation():
    roles = assign(run_of("accuracy", "loss"))
    assert roles.best("validation_accuracy") is None
    assert roles.best("training_accuracy").series.name == "accuracy"


def test_fastai_bare_accuracy_is_validation():
    roles = assign(run_of("train_loss", "valid_loss", "accuracy"))
    assert roles.best("validation_accuracy").series.name == "accuracy"


def test_the_directory_tells_the_split_where_the_tag_does_not():
    names = ("train/epoch_accuracy", "validation/epoch_accuracy")
    roles = assign(run_of(*names, directories={n: n.split("/")[0] for n in names}))
    assert roles.best("validation_accuracy").series.name == "validation/epoch_accuracy"
    assert roles.best("training_accuracy").series.name == "train/epoch_accuracy"


def test_validation_stands_before_test_and_an_average_of_weights_comes_second():
    matches = assign(run_of("test_acc", "val_acc_ema", "val_acc")).matches["validation_accuracy"]
    assert [m.series.name for m in matches] == ["val_acc", "val_acc_ema", "test_acc"]


def test_an_override_wins_by_name_by_case_and_by_unique_ending():
    run = run_of("val_acc", "probe/Top1")
    for wanted in ("probe/Top1", "PROBE/top1", "top1"):
        assert (
            assign(run, {"val_accuracy": wanted}, strict=True).best("validation_accuracy").series.name == "probe/Top1"
        )


def test_an_override_that_fits_nothing_names_what_is_there():
    with pytest.raises(UsageError, match="val_acc"):
        assign(run_of("val_acc"), {"val_accuracy": "nope"}, strict=True)
    assert assign(run_of("val_acc"), {"val_accuracy": "nope"}).missing_overrides


def test_words_of_a_very_long_name_are_cut_in_linear_time():
    assert words_of("a_" * 100_000).metric == ""
