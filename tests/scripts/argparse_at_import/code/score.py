import argparse
import logging
import os
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--logging_level", type=str, default="nothing")
parser.add_argument("--mini_batch_size", type=int)
parser.add_argument("--error_threshold", type=int)
parser.add_argument("--mine", default="default")
args, unknown = parser.parse_known_args()

logger = logging.getLogger(__name__)
logger.setLevel(args.logging_level.upper())


def init():
    assert os.path.samefile(sys.argv[0], __file__)
    again, _ = parser.parse_known_args()
    assert again == args
    logger.info("init with %s", args.logging_level)


def run(mini_batch):
    logger.warning("run with %d files", len(mini_batch))
    print("printed by run")
    return [
        f"{args.logging_level} {args.mini_batch_size} {args.error_threshold} {args.mine} {'--output' in unknown}"
        for _ in mini_batch
    ]
