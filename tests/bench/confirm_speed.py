"""Images a second of an experiment's trainings against a plain PyTorch loop of the same network, on this machine, in one run.

    python tests/bench/confirm_speed.py

Every way trains the same: ResNet-8 of width 8 on 500 digits an epoch, with the validation set and the independent sample
measured after every epoch, for eight trainings (four seeds, two settings). ``plain`` is one training after another as one
would write it first; ``vmap`` stacks the networks with torch.func (without running statistics, which it cannot update, so it
cannot measure either: only its steps are counted); ``stack`` is ours in one process, ``processes`` plain loops in as many
processes as there are processors, ``ours`` stacks in processes, which is what ``fluctlab confirm`` does.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional

from fluctlab.confirm.faults import Plan
from fluctlab.confirm.lab_data import ImageSettings, ValidationSettings, load_lab_data, validation_set
from fluctlab.confirm.resnet import ResNet
from fluctlab.confirm.settings import TrainingSettings
from fluctlab.confirm.stacked import Member, train_stack
from fluctlab.confirm.train import build_model, build_optimizer, evaluate
from fluctlab.confirm.trainings import Trainings

SEEDS = 4


def plan_of(batch: int, size: int, epochs: int, rate: float = 0.05) -> Plan:
    """Return the settings of one training."""
    return Plan(
        training=TrainingSettings(epochs=epochs, batch_size=batch, learning_rate=rate),
        images=ImageSettings(size=size, test_images=1500),
        validation=ValidationSettings(images=1000),
    )


def seeded(plan: Plan, seed: int) -> Plan:
    return replace(plan, training=replace(plan.training, seed=seed), images=replace(plan.images, seed=seed))


def plain(plan: Plan, threads: int | None = None) -> None:
    """Train once as one would write it first."""
    if threads is not None:
        torch.set_num_threads(threads)
    data = load_lab_data(plan.images)
    held_out = validation_set(data, plan.validation)(0)
    model = build_model(plan.training, data.channels, data.classes)
    optimizer = build_optimizer(plan.training, model)
    generator = torch.Generator().manual_seed(plan.training.seed)
    for _ in range(plan.training.epochs):
        images = data.training_epoch(generator)
        model.train()
        for batch in torch.randperm(len(images), generator=generator).split(plan.training.batch_size):
            loss = functional.cross_entropy(model(images.images[batch]), images.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        evaluate(model, held_out)
        evaluate(model, data.test)


def one_thread(plan: Plan) -> None:
    plain(plan, threads=1)


def stack(plan: Plan) -> None:
    members = []
    for seed in range(SEEDS):
        mine = seeded(plan, seed)
        data = load_lab_data(mine.images)
        members.append(Member(mine, data, validation_set(data, mine.validation)))
    for _ in train_stack(members):
        pass


def ours(plans: list[Plan]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Trainings(Path(directory)).stacks({"a": plans[0], "b": plans[1]}, range(SEEDS), lambda _: None)


def stacked_by_vmap(plan: Plan) -> None:
    """Train four networks with torch.func, without running statistics and without measuring."""
    models = [ResNet(8, 8) for _ in range(SEEDS)]
    for norm in (m for model in models for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.running_mean = norm.running_var = norm.num_batches_tracked = None
        norm.track_running_stats = False
    parameters, buffers = stack_module_state(models)
    base = copy.deepcopy(models[0]).to("meta")

    def loss(weights, images, labels):
        return functional.cross_entropy(functional_call(base, (weights, buffers), (images,)), labels)

    step = vmap(grad_and_value(loss), randomness="different")
    data = [load_lab_data(seeded(plan, seed).images) for seed in range(SEEDS)]
    generators = [torch.Generator().manual_seed(seed) for seed in range(SEEDS)]
    weights = {name: value.detach() for name, value in parameters.items()}
    speed = {name: torch.zeros_like(value) for name, value in weights.items()}
    for _ in range(plan.training.epochs):
        sets = [d.training_epoch(g) for d, g in zip(data, generators, strict=True)]
        images, labels = torch.stack([s.images for s in sets]), torch.stack([s.labels for s in sets])
        for start in range(0, images.shape[1], plan.training.batch_size):
            part = slice(start, start + plan.training.batch_size)
            gradients, _ = step(weights, images[:, part], labels[:, part])
            with torch.no_grad():
                for name, gradient in gradients.items():
                    speed[name].mul_(0.9).add_(gradient)
                    weights[name].sub_(speed[name], alpha=plan.training.learning_rate)


def rate(images: int, train: Callable[[], object]) -> float:
    started = time.perf_counter()
    train()
    return images / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40, help="epochs of each training")
    arguments = parser.parse_args()
    processors = torch.get_num_threads()
    print(f"{processors} threads by default; training images a second, in brackets over plain")
    print("| side | batch | plain | one thread | processes | vmap | stack | ours |")
    print("|---|---|---|---|---|---|---|---|")
    with ProcessPoolExecutor(processors) as pool:
        list(pool.map(one_thread, [plan_of(64, 8, 1)] * processors))  # the processes are there before time is taken
        for size, batch in ((8, 8), (8, 32), (8, 62), (32, 32)):
            epochs = arguments.epochs if size == 8 else max(1, arguments.epochs // 5)
            plans = [plan_of(batch, size, epochs, r) for r in (0.05, 0.005)]
            every = [seeded(p, seed) for p in plans for seed in range(SEEDS)]
            one = 500 * epochs
            torch.set_num_threads(processors)
            found = [rate(2 * one, lambda every=every: [plain(p) for p in every[:2]])]
            found.append(rate(2 * one, lambda every=every: [one_thread(p) for p in every[:2]]))
            found.append(rate(len(every) * one, lambda every=every: list(pool.map(one_thread, every))))
            torch.set_num_threads(1)
            found.append(rate(SEEDS * one, lambda plans=plans: stacked_by_vmap(plans[0])))
            found.append(rate(SEEDS * one, lambda plans=plans: stack(plans[0])))
            found.append(rate(len(every) * one, lambda plans=plans: ours(plans)))
            cells = (f"{value:,.0f} ({value / found[0]:.1f})" for value in found)
            print(f"| {size} | {batch} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
