"""A workspace with an endpoint, folders that callers have been given, and others that they have not."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmagic import Input, MLClient, Output
from batchmagic.entities import BatchDeployment, BatchEndpoint, Data, Environment, Model
from batchmagic.sdk.access import Access
from batchmagic.workspace.launch import host_claim

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = "import os\n\ndef run(mini_batch):\n    return [os.path.basename(path) for path in mini_batch]\n"
PREFIX = "https://good.example/in/"
CANARY = "canary-of-limits"


@dataclass
class Place:
    """The folders: `root` may be read, `out` written, `mount` stands for `PREFIX`; `foreign` is nobody's."""

    folder: Path
    client: MLClient = field(init=False)

    def __post_init__(self) -> None:
        for name in ("root/data", "root/code", "rootX", "out", "mount/day", "foreign", "here/data"):
            (self.folder / name).mkdir(parents=True)
        for name in ("root/data/1.csv", "root/data/2.csv", "mount/day/1.csv", "here/data/1.csv"):
            (self.folder / name).write_text("1\n")
        for name in ("rootX/secret.csv", "foreign/secret.csv", "foreign/score.py", "foreign/conda.yml"):
            (self.folder / name).write_text(f"{CANARY}: 1\n")
        (self.folder / "root" / "code" / "score.py").write_text(SCRIPT)
        (self.folder / "root" / "conda.yml").write_text("dependencies: [python]\n")
        (self.folder / "root" / "model.bin").write_text("weights")
        self.client = MLClient(self.folder / "workspace")
        self.client.session.tell = lambda line: None
        self.client.session.write().claims.acquire(host_claim("local"))  # so that no host is started
        for name in ("heart", "other"):
            self.client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name))
            deployment = BatchDeployment(
                name="blue",
                endpoint_name=name,
                code_path=self.folder / "root" / "code",
                scoring_script="score.py",
                environment_variables={"MODE": "fast", "PYTHONPATH": "/nowhere"},
            )
            self.client.batch_deployments.begin_create_or_update(deployment)
            self.client.batch_endpoints.begin_create_or_update(
                BatchEndpoint(name=name, default_deployment_name="blue")
            )

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def ws(self) -> Any:
        return self.client.session.read()

    def access(self, **values: Any) -> Access:
        """Return the limits of a caller."""
        given = {
            "roots": [self.root],
            "output_roots": [self.folder / "out"],
            "prefixes": {PREFIX: self.folder / "mount"},
        }
        return Access(**{**given, **values})

    def state(self) -> dict[str, Any]:
        """Return what is in the workspace and around it; SQLite's own files aside, whose rows are counted."""
        ws, found = self.ws, {}
        for base, folders, files in os.walk(self.folder):
            for name in (*folders, *files):
                path = Path(base, name)
                if not name.startswith("workspace.db"):
                    found[str(path)] = path.lstat().st_size if path.is_file() else -1
        assets = [ws.assets.records(kind, archived=None) for kind in ("model", "data", "environment")]
        versions = [ws.deployments.versions(name, "blue") for name in ("heart", "other")]
        return {**found, "rows": (ws.jobs.list(), assets, versions)}


def deployment(**values: Any) -> BatchDeployment:
    return BatchDeployment.from_dict({"name": "green", "endpoint_name": "heart", **values})


FIELDS: dict[str, Callable[[Place, str, Access], object]] = {
    "input": lambda place, text, access: place.client.batch_endpoints.invoke(
        "heart", inputs={"x": {"path": text}}, access=access
    ),
    "input object": lambda place, text, access: place.client.batch_endpoints.invoke(
        "heart", input=Input(path=text, type="uri_folder"), recursive=True, access=access
    ),
    "output": lambda place, text, access: place.client.batch_endpoints.invoke(
        "heart",
        input=str(place.root / "data"),
        outputs={"x": Output(path=text)},
        overwrite=True,
        access=access,
    ),
    "old output": lambda place, text, access: place.client.batch_endpoints.invoke(
        "heart",
        input=str(place.root / "data"),
        params_override=[{"output_dataset": {"datastore_id": text, "path": "x"}}],
        access=access,
    ),
    "output file name": lambda place, text, access: place.client.batch_endpoints.invoke(
        "heart",
        input=str(place.root / "data"),
        params_override=[{"output_file_name": text + "/x"}],
        access=access,
    ),
    "deployment": lambda place, text, access: place.client.batch_endpoints.invoke(
        "heart", deployment_name=text or "?", input=str(place.root / "data"), access=access
    ),
    "endpoint": lambda place, text, access: place.client.batch_endpoints.invoke(
        text, input=str(place.root / "data"), access=access
    ),
    "job name": lambda place, text, access: place.client.batch_endpoints.invoke(
        "heart", input=str(place.root / "data"), job_name=f"{text}/", access=access
    ),
    "compute": lambda place, text, access: place.client.batch_endpoints.invoke(
        "heart",
        input=str(place.root / "data"),
        params_override=[{"compute": f"{text}?"}],
        access=access,
    ),
    "model path": lambda place, text, access: place.client.models.create_or_update(
        Model(name="m", path=text), access=access
    ),
    "data path": lambda place, text, access: place.client.data.create_or_update(
        Data(name="d", path=text), access=access
    ),
    "conda file": lambda place, text, access: place.client.environments.create_or_update(
        Environment(name="e", image="i", conda_file=text or "?"), access=access
    ),
    "build": lambda place, text, access: place.client.environments.create_or_update(
        Environment.from_dict({"name": "e", "build": {"path": text}}), access=access
    ),
    "code": lambda place, text, access: place.client.batch_deployments.begin_create_or_update(
        deployment(code_configuration={"code": text, "scoring_script": "score.py"}), access=access
    ),
    "scoring script": lambda place, text, access: place.client.batch_deployments.begin_create_or_update(
        deployment(code_configuration={"code": str(place.root / "code"), "scoring_script": text or "?"}),
        access=access,
    ),
    "script alone": lambda place, text, access: place.client.batch_deployments.begin_create_or_update(
        deployment(scoring_script=text or "?"), access=access
    ),
    "deployed model": lambda place, text, access: place.client.batch_deployments.begin_create_or_update(
        deployment(model=text or "?", code_path=str(place.root / "code"), scoring_script="score.py"),
        access=access,
    ),
    "defined model": lambda place, text, access: place.client.batch_deployments.begin_create_or_update(
        deployment(model={"path": text}, code_path=str(place.root / "code"), scoring_script="score.py"),
        access=access,
    ),
    "deployed conda file": lambda place, text, access: place.client.batch_deployments.begin_create_or_update(
        deployment(
            environment={"name": "e", "image": "i", "conda_file": text or "?"},
            code_path=str(place.root / "code"),
            scoring_script="score.py",
        ),
        access=access,
    ),
}
"""Each field that takes a name or a path, as a call that a server makes for a limited caller."""
NAMES = frozenset({"deployment", "endpoint", "job name", "compute", "output file name", "old output"})
"""Those of them that take no path at all."""
