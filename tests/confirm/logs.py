"""Small logs for tests of experiments."""

import csv
import json

SMALL = {"optimizer": "SGD", "lr": 0.4, "batch_size": 10, "num_train": 80, "num_val": 50}


def log(directory, settings, rates=None, epochs=12, training=None, numbers=None):
    """Write a CSV log with a settings file beside it; ``numbers`` are its epochs."""
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(settings))
    with (directory / "log.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["epoch", "val_acc", *(["lr"] if rates else []), *(["train_acc"] if training else [])])
        for i in range(epochs):
            row = [numbers[i] if numbers else i, 0.5 + 0.02 * (i % 3)]
            table.writerow([*row, *([rates[i]] if rates else []), *([training] if training else [])])
    return directory
