"""The verbs of jobs."""

from __future__ import annotations

from batchmagic.grammar.model import Noun, Option, Verb
from batchmagic.grammar.options import JOB, OPTIONAL_ENDPOINT, SET, STRICT

JOB_NOUN = Noun(
    name="job",
    help="jobs: what invoke has started",
    verbs=(
        Verb(
            name="list",
            help="list jobs, the newest first",
            handler="job:list_",
            example="job list heart",
            options=(
                OPTIONAL_ENDPOINT,
                Option(
                    flags=("--max-results",),
                    takes="int",
                    metavar="N",
                    default=20,
                    help="at most so many (20)",
                ),
            ),
        ),
        Verb(name="show", help="show one job", handler="job:show", example="job show last", options=(JOB,)),
        Verb(
            name="stream",
            help="show a job's progress until it ends",
            handler="job_follow:stream",
            example="job stream last",
            options=(JOB, STRICT),
        ),
        Verb(
            name="wait",
            help="return when a job has ended",
            handler="job_follow:wait",
            example="job wait amber --timeout 600",
            options=(
                JOB,
                Option(
                    flags=("--timeout",), takes="float", metavar="S", help="give up waiting after S seconds"
                ),
                STRICT,
            ),
        ),
        Verb(
            name="cancel",
            help="end a job",
            handler="job_change:cancel",
            example="job cancel amber",
            options=(JOB,),
        ),
        Verb(
            name="resume",
            help="run what is left of a job, as it was defined",
            handler="job_change:resume",
            example="job resume amber --redo-failed",
            options=(
                JOB,
                Option(
                    flags=("--redo-failed",),
                    takes="flag",
                    default=False,
                    help="score the failed files again too",
                ),
                Option(
                    flags=("--deployment-version",),
                    metavar="V|latest",
                    help="use this version of the deployment",
                ),
                SET,
                Option(flags=("--wait",), takes="flag", default=False, help="return when the job has ended"),
                STRICT,
            ),
        ),
        Verb(
            name="logs",
            help="show a log: the errors if there are any, else the result, else the progress",
            handler="job_read:logs",
            example="job logs amber job_progress_overview.txt",
            options=(
                JOB,
                Option(
                    flags=("FILE",),
                    optional=True,
                    completes="log",
                    help="any end of a log's path that fits one only",
                ),
                Option(flags=("--list",), takes="flag", default=False, help="list the logs"),
            ),
        ),
        Verb(
            name="errors",
            help="show what failed, grouped",
            handler="job_read:errors",
            example="job errors last --full",
            options=(JOB, Option(flags=("--full",), takes="flag", default=False, help="with the tracebacks")),
        ),
        Verb(
            name="result",
            help="give the rows, after waiting for the end",
            handler="job_read:result",
            example="job result last",
            options=(
                JOB,
                Option(
                    flags=("--rows",),
                    takes="int",
                    metavar="N",
                    default=20,
                    faces=("cli",),
                    help="at most so many (20; 0: all)",
                ),
            ),
        ),
        Verb(
            name="download",
            help="copy a job's output or logs",
            handler="job_read:download",
            example="job download amber --output-name score --path .",
            options=(
                JOB,
                Option(
                    flags=("--output-name",), metavar="NAME", help="the output (score); without it the logs"
                ),
                Option(
                    flags=("--path", "--download-path"),
                    metavar="DIR",
                    default=".",
                    completes="path",
                    help="where to (.)",
                ),
                Option(flags=("--all",), takes="flag", default=False, help="the output and the logs"),
            ),
        ),
        Verb(
            name="delete",
            help="delete a job with its output folder, logs and secrets",
            handler="job_change:delete",
            example="job delete amber",
            options=(JOB,),
        ),
    ),
)
