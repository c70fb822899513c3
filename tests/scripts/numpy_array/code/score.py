import numpy as np
import pandas as pd


def run(mini_batch):
    ids = np.concatenate([pd.read_csv(path)["id"].to_numpy() for path in mini_batch])
    return ids if len(mini_batch) == 1 else np.stack([ids, ids / 4], axis=1)
