from __future__ import annotations

import pytest

from fluctlab.parsers.settings.hyperparameters import (
    canonical,
    from_file_name,
    is_side_file,
    parse_namespace,
    python_literal,
    read_side_file,
    standard_name,
)
from fluctlab.parsers.source import Source


def read(text, name="hparams.yaml"):
    source = Source(name, data=text if isinstance(text, bytes) else text.encode())
    return read_side_file(source), [p.code for p in source.problems]


@pytest.mark.parametrize(
    "name",
    "hparams.yaml args.yaml config.yaml config.json hparams.json args.json params.json hyperparameters.txt flags_0.json"
    " meta_data_0.json run_cfg.json meta_tags.csv .hydra/config.yaml opt.yaml training_args.json HParams.YML".split(),
)
def test_side_file_names(name):
    assert is_side_file(name)


@pytest.mark.parametrize(
    "name", ["metrics.csv", "history.json", "config.py", "args.csv", "training_args.bin", "results.json", "log.txt"]
)
def test_other_names(name):
    assert not is_side_file(name)


def test_yaml_traps_of_version_1_1():
    found, codes = read(
        "lr: 1e-3\nwd: 5e-4\nno_bn: no\nflag: off\nnesterov: true\ntime: 1:30\nid: 007\nnone: ~\nbig: .inf\nname: '12'\n"
    )
    assert found == {
        "lr": 1e-3, "wd": 5e-4, "no_bn": "no", "flag": "off", "nesterov": True, "time": "1:30", "id": "007", "none": None,
        "big": float("inf"), "name": "12",
    }  # fmt: skip
    assert codes == []


def test_yaml_tags_are_ignored_and_never_run(tmp_path):
    trace = tmp_path / "trace"
    text = f"lr: 0.1\nx: !!python/object/apply:os.system ['touch {trace}']\ny: !!python/tuple [1, 2]\nz: !!python/name:os.system ''\n"
    found, codes = read(text)
    assert found["lr"] == 0.1
    assert found["y"] == "1, 2"
    assert codes == ["ignored-yaml-tag"] * 3
    assert not trace.exists()


def test_yaml_alias_bomb_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    found, codes = read("\n".join(lines))
    assert found == {}
    assert codes == ["unreadable-hyperparameters"]


@pytest.mark.parametrize("text", ["[" * 5000, "a: " + "{b: " * 200, "\t- :", "x: [1, 2", "\0\xff"])
def test_yaml_damage_is_told(text):
    _, codes = read(text)
    assert codes


def test_yaml_keeps_what_stands_before_the_damage_and_tells_duplicates():
    found, codes = read("lr: 0.1\nlr: 0.2\nbs: 128\n]broken")
    assert found["lr"] == 0.2
    assert codes[:1] == ["duplicate-key"]
    assert "damaged-yaml" in codes


def test_nested_names_are_joined_and_lists_are_text():
    found, _ = read("optimizer:\n  name: sgd\n  betas: [0.9, 0.999]\nbase: &b {x: 1}\nmore:\n  <<: *b\n  y: 2\n")
    assert found == {"optimizer.name": "sgd", "optimizer.betas": "0.9, 0.999", "base.x": 1, "more.x": 1, "more.y": 2}


def test_wandb_layout_is_undone():
    found, _ = read(
        "wandb_version: 1\n_wandb:\n  desc: null\n  value: {a: 1}\nlr:\n  desc: null\n  value: 0.1\n", "config.yaml"
    )
    assert found == {"lr": 0.1}


def test_json_toml_csv_and_text():
    assert read('{"lr": 0.1, "model": {"depth": 18}, "lr": 0.2}', "args.json") == (
        {"lr": 0.2, "model.depth": 18},
        ["duplicate-key"],
    )
    assert read("lr = 0.1\n[model]\ndepth = 18\n", "config.toml")[0] == {"lr": 0.1, "model.depth": 18}
    assert read("key,value\r\nlr,0.1\r\ndir,/a,b\r\n", "meta_tags.csv")[0] == {"lr": 0.1, "dir": "/a,b"}
    assert read("lr: 0.1\nbatch size = 128\n", "hyperparameters.txt")[0] == {"lr": 0.1, "batch size": 128}
    assert read("Namespace(lr=0.1)", "args.txt")[0] == {"lr": 0.1}


def test_hostile_json():
    assert read("[" * 100_000, "args.json")[1] == ["unreadable-hyperparameters"]
    assert read('{"a": %s}' % ("9" * 6000), "args.json")[0]["a"] == float("inf")


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("lr", "learning_rate"), ("optimizer.learning_rate", "learning_rate"), ("opt.lr", "learning_rate"),
        ("lars_opt_base_learning_rate", "learning_rate"), ("batchSize", "batch_size"), ("samples_per_gpu", "batch_size"),
        ("weightDecay", "weight_decay"), ("l2", "weight_decay"), ("nb_epoch", "epochs"), ("rng_seed", "seed"),
        ("eval_samples", "validation_examples"), ("workload.num_validation_examples", "validation_examples"),
        ("validation/num_examples", "validation_examples"), ("bn.momentum", None), ("eval.batch_size", None), ("min_lr", None),
    ],
)  # fmt: skip
def test_standard_names(name, standard):
    assert standard_name(name) == standard


def test_canonical_keeps_the_original_and_adds_the_standard():
    found = canonical({"lr": "1e-3", "batch_size": 64, "bs": 128, "val_size": 0.2, "label_smoothing_on": True})
    assert found["lr"] == "1e-3"
    assert found["learning_rate"] == 1e-3
    assert found["batch_size"] == 64
    assert "validation_examples" not in found


def test_canonical_takes_the_best_alias():
    assert canonical({"max_lr": 0.2, "base_lr": 0.1})["learning_rate"] == 0.1
    assert canonical({"data.batch_size": 32, "bs": 128})["batch_size"] == 128


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("resnet-sgd-lr0.1-momentum0.9", {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9}),
        ("net-adabound-lr0.001-betas0.9-0.999-final_lr0.1", {"optimizer": "adabound", "learning_rate": 0.001, "betas": "0.9, 0.999", "final_lr": 0.1}),
        ("resnet50_b0256_wd5e-4", {"batch_size": 256, "weight_decay": 5e-4}),
        ("conv-bs-128-lr-3e-4", {"batch_size": 128, "learning_rate": 3e-4}),
        ("run_seed3.csv", {"seed": 3}),
        ("wide-resnet-28-10-drop", {}),
        ("vit_b16_epoch120", {}),
        ("2024-01-01_run7", {}),
    ],
)  # fmt: skip
def test_file_names(name, found):
    assert from_file_name(name) == found


def test_namespace_values_are_literals_and_nothing_is_evaluated(tmp_path):
    trace = tmp_path / "trace"
    text = f"INFO:root:Namespace(lr=0.1, steps=[1, 2], name='a,b)', gpu=None, dev=device(type='cuda'), x=open('{trace}', 'w')) tail"
    found = parse_namespace(text)
    assert found["lr"] == 0.1
    assert found["steps"] == "1, 2"
    assert found["name"] == "a,b)"
    assert found["dev"] == "device(type='cuda')"
    assert not trace.exists()


@pytest.mark.parametrize(
    "text", ["Namespace(", "Namespace(lr=0.1", "Namespace(f=<function x at 0x1>, lr=0.1)", "Namespace(" + "(" * 9000]
)
def test_broken_namespaces_give_what_they_can(text):
    found = parse_namespace(text)
    assert found.get("lr", 0.1) == 0.1


def test_odd_escapes_in_a_namespace_are_no_warning():
    assert parse_namespace(r"Namespace(path='C:\data\run', lr=0.1)")["lr"] == 0.1


@pytest.mark.parametrize("text", ["open('x')", "(" * 5000, "{'a': 1is 2}", "__import__('os')", "1 + 1j * x", "", "\0"])
def test_what_is_no_literal_stays_text(text):
    assert python_literal(text) == text
