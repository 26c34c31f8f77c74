"""What people asked in public: the right cause among the first two, or a word on what to log next."""

import re

import pytest

import fluctlab as fl
from tests.heuristics.threads import THREADS, verdict

#: Names of the causes, the contract of the machine output; not all of them have a file yet.
CONTRACT = frozenset(
    "learning-rate-too-high learning-rate-too-low learning-rate-cycle batch-size-too-small batchnorm-statistics "
    "overfitting label-noise undertrained augmentation-too-strong over-regularised validation-set-too-small "
    "validation-set-resampled unrepresentative-split leaky-split class-imbalance unshuffled-training-data optimizer-instability divergence "
    "resumed-run".split()
)
IDS = [f"{t.number:02d}-{re.sub(r'[^A-Za-z0-9#]+', '-', t.repository)}" for t in THREADS]


def test_the_threads_are_all_there_and_name_causes_of_the_contract():
    assert [thread.number for thread in THREADS] == list(range(1, 36))
    assert all(thread.right <= CONTRACT for thread in THREADS)
    assert all(thread.right or thread.benign for thread in THREADS)


@pytest.mark.parametrize("thread", THREADS, ids=IDS)
def test_no_cause_fails_on_it(thread):
    diagnosis = fl.diagnose(thread.run())
    assert [(c.cause, c.reason) for c in diagnosis.candidates if c.outcome == "error"] == []


#: What we say wrongly, and why; a fix has to take it off this list.
WRONG = {
    3: "validation curves alone that end low look like a training that broke down",
    5: "training measured in evaluation mode jumps as one with validation, as at a rate that is too high",
    16: "a gap that is there from the start, with noise: taken for label noise",
    17: "ten epochs that still rise on the whole: taken for too little training",
}
CASES = [
    pytest.param(thread, id=name, marks=pytest.mark.xfail(reason=WRONG[thread.number], strict=True))
    if thread.number in WRONG
    else pytest.param(thread, id=name)
    for thread, name in zip(THREADS, IDS, strict=True)
]


@pytest.mark.parametrize("thread", CASES)
def test_right_among_the_first_two_or_what_to_log_next(thread):
    diagnosis = fl.diagnose(thread.run())
    found = ", ".join(f"{f.cause} {f.confidence:.2f}" for f in diagnosis.findings) or "nothing"
    wanted = ", ".join(sorted(thread.right)) or "nothing"
    assert verdict(thread, diagnosis) != "wrong", f"{thread.address}: found {found}; right is {wanted} ({thread.why})"
