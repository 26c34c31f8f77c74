"""Sentences: what they say, and that they never say more than the data."""

from __future__ import annotations

import dataclasses
import math

import pytest

from fluctlab.findings import Evidence
from fluctlab.report import answers, quantities, wording
from fluctlab.report.numbers import number_rows
from fluctlab.report.outline import outline
from fluctlab.results import Change, NotAssessed, ValidationSize
from tests.report import examples


def said(text):
    return text.replace(quantities.NBSP, " ")


def changed(item, **values):
    """A copy of a frozen result with other values."""
    return dataclasses.replace(item, **values)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.4123, "pp", "0.41 pp"),
        (12.34, "pp", "12 pp"),
        (-0.0, "pp", "0 pp"),
        (4.21, "ratio", "4.2 times"),
        (0.684, "correlation", "+0.68"),
        (1, "epochs", "1 epoch"),
        (12000, "count", "12,000"),
        (1e-5, "rate", "1e-05"),
        (math.nan, "pp", "not a number pp"),
        (3.0, "images", "3.0 images"),
    ],
)
def test_amounts(value, unit, expected):
    assert said(quantities.amount(value, unit)) == expected


def test_interval_is_not_shown_more_exactly_than_it_is_wide():
    assert said(quantities.measured(0.00212, "pp", -0.011, 0.0141, 40)) == "0.002 pp (95 % -0.011 to 0.014, n=40)"
    assert said(quantities.measured(0.41, "pp", math.nan, math.nan, None)) == "0.41 pp"


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (
            Evidence(name="noise over the floor", value=10.2, unit="ratio", comparison=">", threshold=3.0, n=40,
                     interval=(8.2, 12.6)),
            "Noise over the floor: 10 times (95 % 8-13, n=40), above the limit of 3",
        ),
        (
            Evidence(name="ratio", value=3.004, unit="ratio", comparison=">", threshold=3.0),
            "Ratio: 3.004 times, above the limit of 3",
        ),
        (Evidence(name="ratio", value=2.0, unit="ratio", comparison=">", threshold=3.0, supports=False),
         "Ratio: 2.0 times, below the limit of 3"),
        (Evidence(name="schedule", value="falls", n=3), "Schedule: falls (n=3)"),
        (Evidence(name="steps", value=7, unit="count"), "Steps: 7"),
        (Evidence(name="x", value=math.nan, unit="pp", comparison=">", threshold=1.0), "X: not a number pp"),
    ],
)  # fmt: skip
def test_evidence(evidence, expected):
    assert said(wording.evidence_sentence(evidence)) == expected


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [(0.93, "very likely (93 %)"), (0.999, "very likely (>99 %)"), (1.0, "very likely (100 %)"), (0.5, "more likely than not (50 %)"),
     (0.004, "unlikely (<1 %)"), (0.3, "possible (30 %)"), (None, "no probability"), (math.nan, "no probability")],
)  # fmt: skip
def test_confidence_is_never_rounded_to_certainty(confidence, expected):
    assert said(wording.confidence_words(confidence)) == expected


def test_verdicts_have_a_headline_of_their_own():
    headlines = set()
    base = examples.healthy()
    for verdict in ("real", "measurement", "steady", "cannot-tell"):
        fluctuation = changed(base.decomposition.fluctuation, verdict=verdict)
        diagnosis = changed(base, decomposition=changed(base.decomposition, fluctuation=fluctuation))
        headlines.add(answers.is_it_real(diagnosis).headline)
    assert len(headlines) == 4


def test_unknown_size_is_said_and_nothing_is_concluded_from_it():
    answer = answers.is_it_real(examples.cannot_tell())
    text = " ".join(answer.sentences)
    assert answer.headline.startswith("Cannot tell")
    assert "does not say how many examples" in text
    assert "own jitter" not in text


def test_what_could_not_have_been_seen_is_not_ruled_out():
    assert "below 0.40 pp would not show in this log" in said(
        " ".join(answers.is_it_real(examples.healthy()).sentences)
    )
    assert "would not show" not in " ".join(answers.is_it_real(examples.rate_too_high()).sentences)


def test_a_trend_that_fell_names_the_epoch_to_take():
    answer = answers.does_it_matter(examples.loss_only())
    assert answer.headline == "Yes: the trend got worse after epoch 20."
    assert any("Take a checkpoint from around epoch 20" in s for s in answer.sentences)


def test_bands_that_overlap_are_no_fall():
    parts = examples.loss_only().decomposition
    wide = changed(parts, trend_low=parts.trend - 1, trend_high=parts.trend + 1)
    answer = answers.does_it_matter(changed(examples.loss_only(), decomposition=wide))
    assert "got worse" not in answer.headline


def test_a_trend_without_band_gives_no_advice_on_checkpoints():
    parts = examples.healthy().decomposition
    nothing = examples.frozen_array(parts.trend * math.nan)
    answer = answers.does_it_matter(
        changed(examples.healthy(), decomposition=changed(parts, trend_low=nothing, trend_high=nothing))
    )
    assert not any("checkpoint" in s for s in answer.sentences)


@pytest.mark.parametrize(("low", "expected"), [(0.05, True), (-0.05, False)])
def test_still_improving_needs_an_interval_without_zero(low, expected):
    parts = examples.healthy().decomposition
    slope = examples.est(0.1, low, 0.15, unit="pp/epoch")
    answer = answers.does_it_matter(changed(examples.healthy(), decomposition=changed(parts, final_slope=slope)))
    assert any("still improving" in s for s in answer.sentences) is expected


def test_without_findings_the_reason_depends_on_the_verdict():
    real = examples.rate_too_high()
    assert wording.why(examples.healthy()).headline == "No cause needs action."
    loud = changed(real.decomposition, settled_noise=examples.est(2.0))
    assert wording.why(changed(real, findings=(), decomposition=loud)).headline.startswith(
        "Cannot tell: the fluctuation is real"
    )
    assert wording.why(examples.undiagnosable()).headline.startswith("Cannot tell")
    assert "needs action" not in wording.why(examples.cannot_tell()).headline


def test_why_names_what_was_not_assessed_and_what_failed():
    text = " ".join(wording.why(examples.rate_too_high()).sentences)
    for words in ("label noise", "overfitting", "class imbalance", "divergence"):
        assert words in text


def test_numbers_that_were_not_assessed_say_why():
    rows = {name: value for name, value, _ in number_rows(examples.cannot_tell().decomposition)}
    assert "not assessed" in rows["Noise over the floor"]


def test_noise_that_was_not_measured_is_said():
    parts = examples.healthy().decomposition
    none = NotAssessed("fewer than 8 values")
    diagnosis = changed(examples.healthy(), decomposition=changed(parts, noise=none, settled_noise=none))
    assert "fewer than 8 values" in answers.is_it_real(diagnosis).sentences[0]
    assert answers.does_it_matter(diagnosis).headline.startswith("Cannot tell")


@pytest.mark.parametrize(("settled", "quiet"), [(0.2, True), (0.49, False)])
def test_jitter_that_settled_below_the_floor_asks_for_no_action(settled, quiet):
    base = changed(examples.rate_too_high(), findings=())
    parts = changed(base.decomposition, settled_noise=examples.est(settled))  # its interval ends ten per cent above
    diagnosis = changed(base, decomposition=parts)
    assert wording.why(diagnosis).headline.startswith("No cause needs action") is quiet
    assert ("settled" in answers.is_it_real(diagnosis).headline) is quiet
    advice = answers.does_it_matter(diagnosis).sentences
    assert any(s.startswith("Single checkpoints differ for real") for s in advice) is not quiet
    assert "A careful choice is epoch 110: quote 92.49 %" in said(" ".join(advice))


def test_a_curve_that_never_moves_is_not_called_noisy():
    still = examples.est(0.0, 0.0, 0.0)
    parts = examples.healthy().decomposition
    fluctuation = changed(parts.fluctuation, verdict="steady", rule="negligible-noise")
    parts = changed(parts, noise=still, settled_noise=still, fluctuation=fluctuation)
    diagnosis = changed(examples.healthy(), decomposition=parts)
    assert "does not move around its trend at all" in answers.is_it_real(diagnosis).sentences[0]
    assert not any("standard deviation" in s for s in answers.does_it_matter(diagnosis).sentences)


def test_the_rule_behind_a_verdict_is_said():
    parts = examples.cannot_tell().decomposition
    fluctuation = changed(parts.fluctuation, verdict="real", rule="moves-with-another-set")
    diagnosis = changed(examples.cannot_tell(), decomposition=changed(parts, fluctuation=fluctuation))
    text = " ".join(answers.is_it_real(diagnosis).sentences)
    assert "moves together with another set" in text
    assert "cannot be told" not in text


def test_changes():
    change = Change(epoch=30.0, kind="both", source="learning-rate", level=8.1, noise_ratio=0.3, learning_rate_before=0.1,
                    learning_rate_after=0.01)  # fmt: skip
    assert (
        said(wording.change_sentence(change, "pp"))
        == "Epoch 30: learning rate 0.1 → 0.01, level +8.1 pp, noise \u00d7 0.3"
    )
    bare = Change(epoch=3.5, kind="noise", source="learning-rate")
    assert wording.change_sentence(bare, "pp") == "Epoch 3.5: the noise changes"


def test_size_says_how_it_is_known():
    base = examples.healthy()
    assert "10,000 examples" in wording.size_statement(base)
    guess = ValidationSize(value=128, source="hparams", ambiguous=True)
    assert wording.size_statement(changed(base, validation_size=guess)).endswith("other sizes fit as well)")
    assert wording.size_statement(examples.cannot_tell()).startswith("unknown")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/home/someone/data/cifar10", "…/cifar10"),
        ("/home/Some One/data/my set", "…/my set"),
        ("C:\\Users\\someone\\data", "…/data"),
        ("~/data/x.csv", "…/x.csv"),
        ("s3://bucket/private/x.csv", "…/x.csv"),
        ("train.py --data=/mnt/secret/cifar --lr 0.1", "train.py --data=…/cifar --lr 0.1"),
        ("microsoft/resnet-50", "microsoft/resnet-50"),
        ("N/A", "N/A"),
        (0.1, "0.1"),
        (True, "yes"),
        (None, "none"),
        pytest.param(10**6000, "a whole number of 19932 bits", id="huge"),
    ],
)
def test_hyperparameters_show_only_the_last_part_of_a_path(value, expected):
    assert quantities.scalar(value) == expected


def test_outline_holds_every_finding_candidate_and_problem():
    diagnosis = examples.rate_too_high()
    content = outline(diagnosis)
    assert [f.cause for f in content.findings] == [f.cause for f in diagnosis.findings]
    assert [row[0] for row in content.candidates] == [c.cause for c in diagnosis.candidates]
    assert [row[0] for row in content.problems] == [p.code for p in diagnosis.problems]
