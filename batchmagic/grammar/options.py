"""The options that several verbs share, each described once."""

from __future__ import annotations

from batchmagic.grammar.model import Option

FORMATS = ("table", "json", "yaml")

SHARED_CLI = (
    Option(
        flags=("--format",),
        choices=FORMATS,
        metavar="table|json|yaml",
        help="how results are written",
        default="table",
    ),
    Option(flags=("--workspace",), metavar="DIR", help="the workspace to use", completes="path"),
)
SHARED_MAGIC = (
    Option(flags=("-o", "--out"), metavar="NAME", help="keep what this returns in a variable of that name"),
)

JOB = Option(
    flags=("JOB",),
    metavar="J",
    completes="job",
    help="a job's name, the beginning of one that fits no other, or `last`",
)
ENDPOINT = Option(flags=("ENDPOINT",), completes="endpoint", help="the endpoint's name")
OPTIONAL_ENDPOINT = Option(
    flags=("ENDPOINT",), optional=True, completes="endpoint", help="only this endpoint's"
)
NAME = Option(flags=("NAME",), help="the name")
DEPLOYMENT = Option(
    flags=("TARGET",), metavar="ENDPOINT/DEPLOYMENT", completes="deployment", help="endpoint and deployment"
)
TARGET = Option(
    flags=("TARGET",),
    metavar="ENDPOINT[/DEPLOYMENT]",
    completes="deployment",
    help="the endpoint; without a deployment its default one is used",
)
FILE = Option(
    flags=("--file", "-f"), metavar="FILE", completes="path", help="a YAML definition (`-`: standard input)"
)
SET = Option(
    flags=("--set",),
    metavar="KEY=VALUE",
    repeat=True,
    several=True,
    help="set any field of the definition, also a nested one (a.b=c); more KEY=VALUE may follow",
)
VERSION = Option(flags=("--version",), metavar="V", help="the version; without it the latest one")
DESCRIPTION = Option(flags=("--description",), metavar="TEXT", help="what it is for")
STRICT = Option(
    flags=("--strict",),
    takes="flag",
    default=False,
    faces=("cli",),
    help="exit with 4 when the job completed with failed files",
)

ACTIONS = ("append_row", "summary_only")
OUTPUT_FORMATS = ("azure", "csv", "jsonl", "parquet")
LEVELS = ("warning", "info", "debug")
PREDICT_PER = ("file", "mini_batch")


def _setting(
    flag: str, key: str, text: str, *, takes: str = "str", metavar: str = "N", choices: tuple[str, ...] = ()
) -> Option:
    return Option(
        flags=(flag,),
        help=text,
        takes=takes,
        metavar="|".join(choices) or metavar,
        choices=choices,
        setting=key,
    )


# Numbers are read by the definition, not here, so that a bad one is reported the same way from everywhere.
SETTINGS = (
    _setting("--mini-batch-size", "mini_batch_size", "files per call of run() (10)"),
    _setting("--instance-count", "instance_count", "instances that a job holds (1)"),
    _setting(
        "--max-concurrency-per-instance", "max_concurrency_per_instance", "scoring processes per instance"
    ),
    _setting("--output-action", "output_action", "what becomes of the rows", choices=ACTIONS),
    _setting(
        "--output-file-name",
        "output_file_name",
        "the file that gets the rows (predictions.csv)",
        metavar="NAME",
    ),
    _setting("--output-format", "output_format", "the form of that file", choices=OUTPUT_FORMATS),
    _setting("--max-retries", "retry_settings.max_retries", "tries of a mini-batch after the first (3)"),
    _setting(
        "--timeout", "retry_settings.timeout", "seconds that one run(mini_batch) may take (300)", metavar="S"
    ),
    _setting(
        "--error-threshold",
        "error_threshold",
        "failed files above which the job fails; -1: any number is fine",
    ),
    _setting("--logging-level", "logging_level", "how much the script's logger writes", choices=LEVELS),
    _setting(
        "--memory-per-slot",
        "memory_per_slot",
        "bytes that one scoring process may use, for example 2GB",
        metavar="BYTES",
    ),
    _setting(
        "--predict-per",
        "predict_per",
        "what one predict() of an MLflow model gets (file)",
        choices=PREDICT_PER,
    ),
    Option(
        flags=("--isolate-failures",),
        takes="flag",
        setting="isolate_failures",
        default=None,
        help="score the files of a failed mini-batch one by one",
    ),
    Option(
        flags=("--no-fail-fast",),
        takes="flag",
        setting="no_fail_fast",
        default=None,
        help="go on when nothing succeeds at the start",
    ),
    Option(
        flags=("--env",),
        metavar="KEY[=VALUE]",
        repeat=True,
        help="a variable for the script; without a value, the one it has here",
    ),
)

COMPUTE = Option(flags=("--compute",), metavar="NAME", completes="compute", help="where it runs (local)")

DEFINITION = (
    Option(
        flags=("--model",),
        metavar="REF",
        completes="model",
        help="a registered name, name:version, models:/…, runs:/…, or a path (which has a slash or a dot)",
    ),
    Option(
        flags=("--code",),
        metavar="DIR",
        completes="path",
        help="the folder of the scoring script and its modules",
    ),
    Option(
        flags=("--scoring-script",),
        metavar="FILE",
        completes="path",
        help="the script with init() and run(mini_batch)",
    ),
    Option(
        flags=("--environment",), metavar="REF", completes="environment", help="the environment to record"
    ),
    COMPUTE,
    *SETTINGS,
    Option(
        flags=("--default",), takes="flag", default=False, help="make it the endpoint's default deployment"
    ),
    DESCRIPTION,
    SET,
)

INVOKE = (
    TARGET,
    Option(
        flags=("--input", "-i"),
        metavar="PATH|azureml:NAME:V",
        completes="path",
        help="a folder, a file or a data asset; needed unless a file names it",
    ),
    Option(
        flags=("--file", "-f"),
        metavar="FILE",
        completes="path",
        help="a YAML file with `inputs`, `outputs` and any option by its name (`-`: standard input)",
    ),
    Option(
        flags=("--output",),
        metavar="PATH",
        completes="path",
        help="folder or file for the rows (a folder of the job)",
    ),
    Option(
        flags=("--wait",),
        takes="flag",
        default=None,
        help="return when the job has ended (the command line's default)",
    ),
    Option(
        flags=("--no-wait",),
        takes="flag",
        default=False,
        help="return at once (a notebook's default); the job goes on by itself",
    ),
    COMPUTE,
    *SETTINGS,
    Option(flags=("--recursive",), takes="flag", default=False, help="score the files of nested folders too"),
    Option(flags=("--overwrite",), takes="flag", default=False, help="replace the output if there is one"),
    Option(
        flags=("--dry-run",),
        takes="flag",
        default=False,
        help="check everything, show what would run, start nothing",
    ),
    Option(flags=("--job-name",), metavar="NAME", help="the job's name"),
    Option(
        flags=("--experiment-name",),
        metavar="NAME",
        help="the MLflow experiment that the job's run belongs to",
    ),
    SET,
    STRICT,
)
