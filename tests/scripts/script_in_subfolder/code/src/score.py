import os
import sys

from sibling import clean

from shared.words import count

# As the documentation advises.
here = os.path.dirname(os.path.realpath(__file__))
sys.path.append(here)


def init():
    global stop_words
    with open(os.path.join(here, "stop.txt")) as file:
        stop_words = set(file.read().split())


def run(mini_batch):
    rows = []
    for path in mini_batch:
        with open(path, encoding="utf-8") as file:
            words = clean(file.read()).split()
        rows.append([os.path.basename(path), count(word for word in words if word not in stop_words)])
    return rows
