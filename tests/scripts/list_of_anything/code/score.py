import json
import os

import numpy as np


def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    return {
        "Z.CSV": [name, 7, 2.5, None, True, np.float64(0.1), np.int64(3), np.float32(0.1), np.str_("text")],
        "a.csv": [[name, np.float64(1.0)], (name, np.int64(2)), {"k": np.float32(0.1)}, [np.array([1, 2])]],
        "b c.csv": [np.array([1.5, 2.5]), np.arange(1200), "two\nlines"],
        "é.csv": (json.dumps({"file": name, "p": 0.25}, ensure_ascii=False),),
    }[name]
