import os

import numpy as np
import pandas as pd


def run(mini_batch):
    names = [os.path.basename(path) for path in mini_batch]
    n = len(names)
    frame = pd.DataFrame(
        {
            0: names,
            1: pd.Categorical(["one word"] * n),
            2: [["nested", np.float64(0.5)]] * n,
            3: np.arange(n, dtype="float32") / 10,
            4: [None] + ["'quoted' \"twice\""] * (n - 1),
        },
        index=[0] * n,
    )
    frame.columns = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("a", "y"), ("b", ""), (None, None)])
    return frame
