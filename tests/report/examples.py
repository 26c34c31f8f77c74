"""Synthetic diagnoses to render: built by hand, so that the report is tested without the statistics."""

from __future__ import annotations

import math

import numpy as np

from fluctlab.audits import Audit, AuditedRun
from fluctlab.findings import Candidate, Diagnosis, Evidence, Finding, Remedy
from fluctlab.model import Problem, Run, Series, frozen_array
from fluctlab.results import (
    Bounds,
    Change,
    Curves,
    Cycle,
    Decomposition,
    EpochSeries,
    Estimate,
    Fluctuation,
    NotAssessed,
    Periodogram,
    Segment,
    Selection,
    Spike,
    ValidationSize,
)

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg/onload=alert(1)> ' onmouseover='x",
    "$x^{",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "abc\u202egnp.exe\u2066",
    "[link=http://evil.example]click[/link]",
    "loss[/foo]",
    "[a](javascript:alert(1)) ![i](http://evil.example/x.png) `x` | y ~~z~~ http://evil.example/",
    "{{ 7 * 7 }} {% raw %} ${x}",
    "n" * 500,
    "名前 αβγ 🙂 \u0000\u0085\u2028 \ud800",
    "line\nbreak\r\n# heading",
)


def est(value, low=None, high=None, n=60, unit="pp"):
    """An estimate; the interval is ten per cent to both sides where none is given."""
    return Estimate(
        value=value,
        low=value - 0.1 * abs(value) if low is None else low,
        high=value + 0.1 * abs(value) if high is None else high,
        n=n,
        unit=unit,
        method="test",
    )


def series(role, values, name, unit="fraction", evidence="no value is above 1"):
    values = frozen_array(values)
    return EpochSeries(
        name=name,
        role=role,
        epochs=frozen_array(np.arange(len(values))),
        values=values,
        unit=unit,
        unit_evidence=evidence,
        raw_values=values,
    )


def _decomposition(values, trend, sd, *, unit="pp", verdict="real", segments=(), changes=(), floor=0.5, **replace):
    n = len(values)
    scale = 100 if unit == "pp" else 1
    best = int(np.argmax(values) if unit == "pp" else np.argmin(values))
    noise = est(scale * float(sd.mean()), n=n, unit=unit)
    known = floor is not None
    unknown = NotAssessed("the size of the validation set is not known", ("validation_size",))
    fields = {
        "unit": unit,
        "epochs": frozen_array(np.arange(n)),
        "values": frozen_array(values),
        "trend": frozen_array(trend),
        "trend_low": frozen_array(trend - sd / 2),
        "trend_high": frozen_array(trend + sd / 2),
        "segments": segments or (_segment(0, n, scale * float(sd.mean()), unit),),
        "changes": changes,
        "cycles": (),
        "spikes": (),
        "noise": noise,
        "settled_noise": est(scale * float(sd[-1]), n=n // 3, unit=unit),
        "autocorrelation": est(0.12, -0.1, 0.3, unit="correlation"),
        "floor": est(floor, n=n) if known else unknown,
        "excess": est(math.sqrt(max(noise.value**2 - (floor or 0) ** 2, 0.0)), n=n) if known else unknown,
        "trend_range": est(scale * float(np.ptp(trend)), n=n, unit=unit),
        "final_slope": est(0.002, -0.01, 0.014, n=n // 3, unit=f"{unit}/epoch"),
        "noise_sd": frozen_array(scale * np.broadcast_to(sd, n).astype(float)),
        "floor_sd": None if floor is None else frozen_array(np.full(n, floor)),
        "selection": Selection(
            best=float(values[best]),
            best_epoch=float(best),
            final=float(values[-1]),
            optimism=est(0.31 if unit == "pp" else 0.01, n=n, unit=unit),
        ),
        "fluctuation": Fluctuation(
            verdict=verdict,
            ratio=est(noise.value / floor, n=n, unit="ratio") if known else unknown,
            detectable=est(0.4) if known else unknown,
            rule="test",
        ),
    }
    return Decomposition(**(fields | replace))


def periodogram(period, n=120):
    """A periodogram with one peak far above the limit."""
    periods = n / np.arange(n // 2, 1, -1.0)
    power = 1.0 + 14.0 * np.exp(-((np.log(periods / period) / 0.03) ** 2))
    return Periodogram(periods=frozen_array(periods), power=frozen_array(power), limit=7.5)


def _segment(start, stop, noise, unit="pp", rate=None):
    return Segment(
        start_index=start,
        stop_index=stop,
        start_epoch=float(start),
        end_epoch=float(stop - 1),
        noise=est(noise, n=stop - start, unit=unit),
        learning_rate=rate,
    )


def _diagnosis(run, curves, decomposition, **replace):
    fields = {
        "run": run,
        "metric": curves.target.name if curves else None,
        "values_unit": curves.target.unit if curves else None,
        "curves": curves,
        "decomposition": decomposition,
        "validation_size": ValidationSize(value=10_000, source="lattice"),
        "findings": (),
        "candidates": (
            Candidate(cause="learning-rate-too-high", family="learning-rate", outcome="not-supported", confidence=0.04),
            Candidate(cause="overfitting", family="overfitting", outcome="not-supported", confidence=0.02),
            Candidate(
                cause="batchnorm-statistics",
                family="batch-size",
                outcome="not-assessed",
                confidence=None,
                needs=("training_accuracy",),
                reason="no training accuracy was logged",
            ),
        ),
        "problems": run.problems,
        "next_logs": (),
    }
    return Diagnosis(**(fields | replace))


def healthy():
    """A run with a little noise, nothing to act on."""
    rng = np.random.default_rng(1)
    x = np.arange(80)
    trend = 0.93 - 0.5 * np.exp(-x / 9)
    sd = np.full(80, 0.002)
    values = np.round(trend + rng.normal(0, sd), 4)
    run = Run("resnet18/seed0", "csv", ("resnet18/seed0/metrics.csv",), hyperparameters={"lr": 0.1, "batch_size": 128})
    curves = Curves(target=series("validation_accuracy", values, "val_acc"), axis="epoch")
    return _diagnosis(run, curves, _decomposition(values, trend, sd, verdict="measurement", floor=0.21))


def rate_too_high():
    """Three learning rates, noise that falls with each; a finding with evidence and remedies; further series."""
    rng = np.random.default_rng(2)
    x = np.arange(120)
    third = np.minimum(x // 40, 2)
    sd = np.array([0.04, 0.012, 0.003])[third]
    trend = np.array([0.70, 0.86, 0.925])[third] - 0.35 * np.exp(-x / 5)
    values = np.round(np.clip(trend + rng.normal(0, sd), 0, 1), 4)
    rates = np.array([0.4, 0.04, 0.004])[third]
    training = np.clip(trend + 0.04 + rng.normal(0, sd / 3), 0, 1)
    target = series("validation_accuracy", values, "Accuracy/val", "percent", "values reach 92.9")
    curves = Curves(
        target=target,
        axis="epoch",
        validation_accuracy=target,
        validation_loss=series("validation_loss", 2.5 - 2.2 * values, "Loss/val", "loss"),
        training_accuracy=series("training_accuracy", training, "Accuracy/train"),
        training_loss=series("training_loss", 2.4 - 2.3 * training, "Loss/train", "loss"),
        learning_rate=series("learning_rate", rates, "lr", "rate"),
        resumed_at=(60.0,),
    )
    segments = tuple(_segment(40 * i, 40 * i + 40, 100 * sd[40 * i], rate=rates[40 * i]) for i in range(3))
    changes = (
        Change(epoch=40.0, kind="both", source="learning-rate", level=8.1, noise_ratio=0.3, learning_rate_before=0.4,
               learning_rate_after=0.04, p_value=1e-9),
        Change(epoch=80.0, kind="noise", source="curve", noise_ratio=0.25, p_value=0.003),
    )  # fmt: skip
    parts = _decomposition(
        values,
        trend,
        sd,
        segments=segments,
        changes=changes,
        cycles=(Cycle(period_epochs=10.0, amplitude=1.2, p_value=1e-6, learning_rate_coherence=0.91),),
        spikes=(Spike(epoch=17.0, size=-9.3),),
        selection=Selection(
            best=float(values.max()),
            best_epoch=float(np.argmax(values)),
            final=float(values[-1]),
            optimism=est(0.31, 0.05, 0.62, n=120),
            careful_epoch=110.0,
            careful_value=0.9249,
            stopped_improving=92.0,
            patience=14,
        ),
        fluctuation=Fluctuation(
            verdict="real",
            ratio=est(2.4, unit="ratio"),
            detectable=est(0.4),
            rule="test",
            jitter=Bounds(low=0.9, high=2.2, n=120, narrows=("a second held-out set",)),
        ),
        periodogram=periodogram(10.0),
        data_order=Cycle(period_epochs=1.0, amplitude=0.02, p_value=1e-7),
    )
    evidence = (
        Evidence(name="settled noise over the floor", value=10.2, unit="ratio", comparison=">", threshold=3.0, n=40,
                 interval=(8.2, 12.6)),
        Evidence(name="noise after the rate fell over before", value=0.3, unit="ratio", comparison="<", threshold=0.5),
        Evidence(name="training moves with validation", value=0.12, unit="correlation", comparison=">", threshold=0.4,
                 supports=False, n=119, interval=(-0.06, 0.29)),
        Evidence(name="schedule", value="falls in steps"),
    )  # fmt: skip
    remedies = (
        Remedy(
            title="Start at a lower learning rate: 0.13 instead of 0.4",
            why="the jumps shrink wherever the rate falls, so a lower rate would have shown them less from the start",
            keras="optimizer = keras.optimizers.SGD(learning_rate=0.13, momentum=0.9)",
            pytorch="optimizer = torch.optim.SGD(\n    model.parameters(), lr=0.13, momentum=0.9, weight_decay=5e-4\n)",
        ),
        Remedy(
            title="Average the weights of the last epochs",
            why="the average of many jumping models is a steadier and usually better one",
            pytorch="averaged = torch.optim.swa_utils.AveragedModel(model)",
        ),
    )
    findings = (
        Finding(cause="learning-rate-too-high", family="learning-rate", title="the learning rate is too high",
                confidence=0.93, severity="high", evidence=evidence, remedies=remedies),
        Finding(cause="batchnorm-statistics", family="batch-size", title="batch normalisation statistics lag behind",
                confidence=0.55, severity="medium", evidence=evidence[2:], remedies=()),
    )  # fmt: skip
    candidates = (
        Candidate(cause="learning-rate-too-high", family="learning-rate", outcome="supported", confidence=0.93),
        Candidate(cause="batchnorm-statistics", family="batch-size", outcome="supported", confidence=0.55),
        Candidate(cause="label-noise", family="overfitting", outcome="supported", confidence=0.31),
        Candidate(cause="overfitting", family="overfitting", outcome="not-supported", confidence=0.06),
        Candidate(cause="class-imbalance", family="data", outcome="not-assessed", confidence=None,
                  needs=("per_class_accuracy",), reason="no accuracy by class was logged"),
        Candidate(cause="divergence", family="optimizer", outcome="error", confidence=None, reason="ZeroDivisionError"),
    )  # fmt: skip
    problems = (
        Problem("truncated-record", "events.out.tfevents.1 byte 48211", "The last record is cut off; 118 were kept."),
        Problem("duplicate-epoch", "Accuracy/val", "Epochs 58 to 60 were logged twice; the later values were kept."),
    )
    run = Run(
        "experiments/resnet50_lr0.4",
        "tensorboard",
        ("a/events.out.tfevents.1", "a/events.out.tfevents.2", "a/hparams.yaml"),
        (Series("Accuracy/val", frozen_array(100 * values)),),
        {"lr": 0.4, "batch_size": 128, "optimizer": "SGD", "momentum": 0.9, "amp": True, "resume": None,
         "data": "/home/someone/private/cifar10", "cmd": "train.py --data /mnt/secret/cifar --lr 0.4"},
        problems,
    )  # fmt: skip
    next_logs = ("the accuracy of each class", "training accuracy measured in evaluation mode")
    return _diagnosis(run, curves, parts, findings=findings, candidates=candidates, next_logs=next_logs)


def cannot_tell():
    """Clear jitter, but nobody knows how large the validation set is."""
    rng = np.random.default_rng(3)
    x = np.arange(50)
    trend = 0.8 - 0.3 * np.exp(-x / 6)
    sd = np.full(50, 0.02)
    values = trend + rng.normal(0, sd)
    run = Run("finetune", "keras-history", ("finetune/history.json",))
    curves = Curves(target=series("validation_accuracy", values, "val_accuracy"), axis="epoch")
    parts = _decomposition(values, trend, sd, verdict="cannot-tell", floor=None)
    return _diagnosis(run, curves, parts, validation_size=None, next_logs=("the number of validation examples",))


def loss_only():
    """Only losses were logged; the validation loss rises again after its best epoch."""
    rng = np.random.default_rng(4)
    x = np.arange(60)
    trend = 0.6 + 1.5 * np.exp(-x / 5) + 0.01 * np.maximum(x - 20, 0)
    sd = np.full(60, 0.02)
    values = trend + rng.normal(0, sd)
    target = series("validation_loss", values, "val_loss", "loss", "named a loss")
    training = series("training_loss", 0.2 + 1.8 * np.exp(-x / 7), "loss", "loss", "named a loss")
    curves = Curves(target=target, axis="evaluation", validation_loss=target, training_loss=training)
    parts = _decomposition(values, trend, sd, unit="loss", verdict="cannot-tell", floor=None,
                           final_slope=est(0.01, unit="loss/epoch"))  # fmt: skip
    return _diagnosis(Run("loss-only", "csv", ("log.csv",)), curves, parts, validation_size=None)


def undiagnosable():
    """Nothing but problems."""
    problems = (Problem("no-metric", "notes.txt", "No validation metric was found; name one with --metric."),)
    run = Run("broken", "text", ("broken/notes.txt",), problems=problems)
    reason = NotAssessed("the log holds no validation metric", ("validation_accuracy",))
    return _diagnosis(run, None, reason, validation_size=None, candidates=())


def hostile():
    """Hostile text wherever a log or a plugin can put text."""
    base = rate_too_high()
    bad = iter(HOSTILE * 40)
    curves = base.curves
    target = series("validation_accuracy", curves.target.values, next(bad), "percent", next(bad))
    problems = tuple(Problem(text, text, text) for text in HOSTILE)
    run = Run(
        next(bad),
        next(bad),
        tuple(HOSTILE),
        tuple(Series(text, frozen_array([1.0])) for text in HOSTILE),
        {text: text for text in HOSTILE} | {"nan": math.nan, "inf": math.inf, "huge": 10**6000},
        problems,
    )
    findings = tuple(
        Finding(
            cause=text,
            family=text,
            title=text,
            confidence=0.6,
            severity="low",
            evidence=(
                Evidence(name=text, value=text),
                Evidence(name=text, value=math.nan, unit=text, comparison=">", threshold=1.0),
            ),
            remedies=(Remedy(title=text, why=text, keras=text, pytorch=text),),
        )
        for text in HOSTILE
    )
    candidates = tuple(
        Candidate(cause=text, family=text, outcome=outcome, confidence=None, needs=(text,), reason=text)
        for text, outcome in zip(HOSTILE, ("supported", "not-supported", "not-assessed", "error") * 4, strict=False)
    )
    return _diagnosis(
        run,
        Curves(target=target, axis="epoch", training_loss=series("training_loss", [2.0, 1.0], HOSTILE[0], "loss")),
        base.decomposition,
        findings=findings,
        candidates=candidates,
        validation_size=ValidationSize(value=100, source="given", ambiguous=True, detail=HOSTILE[0]),
        next_logs=HOSTILE,
    )


EXAMPLES = {
    "healthy": healthy,
    "rate_too_high": rate_too_high,
    "cannot_tell": cannot_tell,
    "loss_only": loss_only,
    "undiagnosable": undiagnosable,
    "hostile": hostile,
}


def audit():
    """All examples as an audit."""
    made = sorted((make() for make in EXAMPLES.values()), key=lambda d: d.run.name)
    return Audit(
        tuple(AuditedRun.of(d) for d in made), (Problem("not-a-log", "README.md", "No format claims this file."),)
    )
