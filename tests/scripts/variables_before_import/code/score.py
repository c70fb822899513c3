import os

import configured


def init():
    global again
    again = os.environ["AZUREML_BI_TEXT_COLUMN"]


def run(mini_batch):
    import pandas as pd

    rows = []
    for path in mini_batch:
        rows += [
            f"{configured.KEY}|{configured.NUMBER}|{text}" for text in pd.read_csv(path, dtype=str)[again]
        ]
    return rows
