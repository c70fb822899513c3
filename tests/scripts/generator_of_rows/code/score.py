import csv
import os


def run(mini_batch):
    for path in mini_batch:
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                yield f"{os.path.basename(path)}#{row['id']}"
