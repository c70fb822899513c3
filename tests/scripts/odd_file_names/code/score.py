import gzip
import os


def run(mini_batch):
    rows = []
    for path in mini_batch:
        opener = gzip.open if path.endswith(".gz") else open
        with opener(path, "rt") as file:
            rows.append((os.path.basename(path), file.read()))
    return rows
