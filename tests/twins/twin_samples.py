"""One document of every kind, as front ends make them."""

from __future__ import annotations

import math
from typing import Any

RATES = [round(30 + 8 * math.sin(i / 3) - (20 if i == 12 else 0), 1) for i in range(40)]

ERRORS = [
    {
        "type": "ValueError",
        "message": "could not convert string to float: 'n/a'",
        "files": 13,
        "count": 52,
        "file": "patients/patients-0107.csv",
        "mini_batch": 106,
        "frame": {
            "file": "code/score.py",
            "line": 9,
            "function": "run",
            "source": "pred = model.predict(df.astype(float))",
        },
    },
    {
        "type": "Timeout",
        "message": "run() took longer than 30 s (retry_settings.timeout)",
        "files": 3,
        "count": 12,
        "file": "patients/patients-1544.csv",
        "mini_batch": 1543,
        "frame": None,
    },
]


def job(status: str = "Running", **values: Any) -> dict[str, Any]:
    """Return a job that is in the midst of its work."""
    progress = {
        "mini_batches": 2000,
        "completed": 1228,
        "failed": 16,
        "running": 40,
        "retried": 3,
        "files": 2000,
        "files_failed": 16,
        "rows": 12440,
        "seconds": 33.8,
    }
    found = {
        "kind": "job",
        "name": "amber-falcon-3f9a",
        "status": status,
        "status_detail": "",
        "endpoint": "heart",
        "deployment": "classifier-xgboost",
        "deployment_version": 3,
        "run": 1,
        "compute": "local",
        "input": "patients",
        "output": "predictions.csv",
        "output_action": "append_row",
        "experiment_name": None,
        "progress": progress,
        "pace": {"now": 38.2, "mean": 36.9, "left": 19.2},
        "rates": RATES,
        "error": None,
        "errors": ERRORS,
        "error_kinds": 2,
        "created_at": "2026-11-22T13:02:00+00:00",
        "started_at": "2026-11-22T13:02:02+00:00",
        "ended_at": None,
        "short_name": "amber",
        "next": ["%batch job cancel amber"],
    }
    found["progress"] |= values.pop("progress", {})
    return found | values


def completed(**values: Any) -> dict[str, Any]:
    """Return a job that has completed, with failed files."""
    done = {"completed": 1984, "failed": 16, "running": 0, "retried": 0, "rows": 19840, "seconds": 53.2}
    ended = {"pace": None, "rates": [], "ended_at": "2026-11-22T13:02:55+00:00"}
    steps = ["%batch job errors amber", "%batch job resume amber --redo-failed"]
    return job(**{"status": "Completed", "progress": done, **ended, "next": steps, **values})


def clean_job() -> dict[str, Any]:
    """Return a job that has completed and has nothing to complain of."""
    done = {
        "completed": 2000,
        "failed": 0,
        "files_failed": 0,
        "running": 0,
        "retried": 0,
        "rows": 20000,
        "seconds": 51,
    }
    return completed(progress=done, errors=[], error_kinds=0, next=["%batch job result amber"])


def failed() -> dict[str, Any]:
    """Return a job that went over its threshold."""
    detail = "11 failed files are more than error_threshold=10 allows"
    return completed(
        status="Failed",
        status_detail=detail,
        progress={"completed": 300, "failed": 11, "files_failed": 11, "rows": 3000, "seconds": 8.2},
        error={"type": "ValueError", "message": "could not convert string to float: 'n/a'"},
        errors=[{**ERRORS[0], "files": 11, "count": 44}],
        error_kinds=1,
        next=["%batch job errors amber", "%batch job resume amber --set error_threshold=-1"],
    )


def waiting() -> dict[str, Any]:
    """Return a job that has no plan yet."""
    none = dict.fromkeys(job()["progress"], 0)
    return job(
        "Preparing",
        status_detail="starting 2 instances of local",
        progress=none,
        pace=None,
        rates=[],
        errors=[],
        error_kinds=0,
    )


THINGS: dict[str, dict[str, Any]] = {
    "endpoint": {
        "name": "heart",
        "default": "classifier-xgboost",
        "deployments": ["classifier-xgboost", "classifier-custom"],
        "description": "Who is at risk",
        "tags": {"team": "cardio"},
        "scoring_uri": None,
        "created_at": "2026-11-22T12:00:00+00:00",
        "last_modified_at": "2026-11-22T12:30:00+00:00",
    },
    "deployment": {
        "endpoint": "heart",
        "name": "classifier-xgboost",
        "version": 3,
        "model": "azureml:heart-classifier:3",
        "code": {"code": "code", "scoring_script": "score.py"},
        "environment": None,
        "compute": "local",
        "settings": {
            "mini_batch_size": 10,
            "instance_count": 1,
            "output_action": "append_row",
            "output_file_name": "predictions.csv",
            "max_retries": 3,
            "timeout": 300,
            "logging_level": "info",
            "fail_fast": True,
            "output_format": "azure",
        },
        "environment_variables": {"API_TOKEN": "(set)", "OMP_NUM_THREADS": "(set)"},
        "python": "~/venv/bin/python (3.11.7)",
        "description": None,
        "tags": None,
        "created_at": "2026-11-22T12:00:00+00:00",
    },
    "compute": {
        "name": "local",
        "min_instances": 0,
        "max_instances": 4,
        "idle_time": 120,
        "host": "running",
        "running": 1,
        "queued": 0,
    },
    "model": {
        "name": "heart-classifier",
        "version": "3",
        "type": "mlflow_model",
        "path": "~/project/.batchmagic/assets/model/heart-classifier/3",
        "description": "Gradient boosting on 13 columns",
        "flavors": {"sklearn": {"sklearn_version": "1.9.1"}},
        "created_at": "2026-11-22T12:00:00+00:00",
    },
    "data": {
        "name": "patients",
        "version": "1",
        "type": "uri_folder",
        "path": "data/patients",
        "created_at": "2026-11-22T12:00:00+00:00",
    },
    "environment": {
        "name": "batch-torch",
        "version": "2",
        "conda_file": {"name": "batch-torch", "dependencies": ["python=3.11", {"pip": ["torch", "pandas"]}]},
        "image": "mcr.example.org/base:latest",
        "created_at": "2026-11-22T12:00:00+00:00",
    },
    "workspace": {
        "workspace": "~/project/.batchmagic",
        "size": 1_400_000,
        "endpoints": 2,
        "deployments": 3,
        "models": 2,
        "data": 1,
        "environments": 0,
        "computes": ["local", "slurm-cpu"],
        "jobs": {"Completed": 12, "Failed": 1},
    },
    "errors": {
        "job": "amber-falcon-3f9a",
        "errors": ERRORS,
        "error_kinds": 2,
        "files_failed": 16,
        "next": ["%batch job errors amber --full"],
    },
}


DOCTOR = {
    "workspace": "/home/ann/project/.batchmagic",
    "state": "broken",
    "counts": {"ok": 3, "look": 1, "broken": 1},
    "parts": [
        {
            "title": "Workspace",
            "findings": [
                {
                    "state": "ok",
                    "subject": "folder",
                    "text": "~/project/.batchmagic, yours alone",
                    "do": None,
                },
                {
                    "state": "look",
                    "subject": "leftovers",
                    "text": "2 things (1.4 MB) that interrupted work has left: trash/amber-falcon-3f9a-0c1d2e3f, "
                    "assets/.incoming/5f6a7b8c9d0e1f2a and nothing else that would need more than one line",
                    "do": "batchmagic prune",
                },
            ],
        },
        {
            "title": "Ledgers",
            "findings": [
                {
                    "state": "broken",
                    "subject": "job amber-falcon-3f9a",
                    "text": "ledger.db is damaged (the file is empty).",
                    "do": "batchmagic job delete amber-falcon-3f9a",
                },
            ],
        },
        {
            "title": "What survives what",
            "findings": [
                {"state": "ok", "subject": "this session", "text": "a docker container", "do": None},
                {
                    "state": "ok",
                    "subject": "the Jupyter server stops",
                    "text": "a running job goes on",
                    "do": None,
                },
            ],
        },
        {"title": "Limits", "findings": []},
    ],
}


def samples() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the kind and the document of every sample, by what it shows."""
    found = {
        "job, running": ("job", job()),
        "job, completed with failures": ("job", completed()),
        "job, completed": ("job", clean_job()),
        "job, failed": ("job", failed()),
        "job, preparing": ("job", waiting()),
        "job, canceled": (
            "job",
            completed(status="Canceled", errors=[], error_kinds=0, next=["%batch job resume amber"]),
        ),
        **{kind: (kind, document) for kind, document in THINGS.items()},
        "doctor": ("doctor", DOCTOR),
    }
    jobs = [job(), completed(), clean_job(), failed(), waiting()]
    found["job-list"] = ("job-list", {"items": jobs, "total": 5, "nothing": "No jobs yet."})
    for kind, document in THINGS.items():
        other = {
            **document,
            "name": "another",
            "description": "Text, which is a little longer than the other",
        }
        found[f"{kind}-list"] = (
            f"{kind}-list",
            {"items": [document, other], "total": 9902, "nothing": "None."},
        )
    found["empty list"] = ("endpoint-list", {"items": [], "total": 0, "nothing": "No endpoints yet."})
    return found
