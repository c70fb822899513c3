"""A limited caller gets at nothing but what has been declared, by no spelling and in no field, and learns nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_paths import FOREIGN_INPUTS, TRAVERSALS
from limits_support import CANARY, FIELDS, NAMES, PREFIX, Place, deployment

from batchmagic import Input
from batchmagic.entities import BatchEndpoint, Data, Model
from batchmagic.errors import InputError, NotAllowed, NotDeclared, UsageError, ValidationException
from batchmagic.sdk.access import Access
from batchmagic.sdk.invoke import prepare


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("limits").resolve())
    before = Path.cwd()
    os.chdir(made.folder / "here")
    yield made
    os.chdir(before)
    made.client.session.close()


def refused(place, act, kind=UsageError):
    before = place.state()
    with pytest.raises(kind) as caught:
        act()
    assert 400 <= caught.value.status < 500
    assert place.state() == before
    assert CANARY not in str(caught.value)
    return caught.value


def test_the_corpus_is_large():
    assert len(set(TRAVERSALS)) >= 60
    assert len(set(FOREIGN_INPUTS)) >= 60


def some_slow(fields):
    """The fields where a text is looked at first are tried in `make test`, all of them in `make test-all`."""
    quick = {"input", "output", "model path", "code", "data path", "scoring script", "job name"}
    return [pytest.param(field, marks=() if field in quick else pytest.mark.slow) for field in fields]


def all_refused(place, field, texts):
    before = place.state()
    for text in texts:
        with pytest.raises(UsageError) as caught:
            FIELDS[field](place, text, place.access())
        assert 400 <= caught.value.status < 500, text
        assert CANARY not in str(caught.value), text
    assert place.state() == before


@pytest.mark.parametrize("field", some_slow(FIELDS))
def test_no_spelling_leads_out(place, field):
    # Of half a character no body of a request can be made, and no name is looked up by it.
    texts = [text for text in TRAVERSALS if field not in NAMES or "\udc2e" not in text]
    all_refused(place, field, texts)


@pytest.mark.parametrize("field", some_slow(sorted(set(FIELDS) - NAMES)))
def test_nothing_foreign_is_taken(place, field):
    all_refused(place, field, FOREIGN_INPUTS)


def spellings(root):
    """Every path that begins like the root and leads elsewhere."""
    return [
        f"{root}X/secret.csv", f"{root}X", f"{root} ", f"{root}.", f"{root}../rootX/secret.csv", f"{root}/../rootX/secret.csv",
        f"{root}/data/../../rootX/secret.csv", f"{root}/./../rootX/secret.csv", f"{root}//../rootX", f"{root}/..",
        f"file://{root}/../rootX/secret.csv", f"file://{root}/%2e%2e/rootX/secret.csv", f"file://{root}/..%2frootX/secret.csv",
        f"{root}/data\\..\\..\\..\\rootX", f"{root}/data\0", f"{root}/\u202edata", str(root).upper(), f"{root}/link-out/secret.csv",
        f"{root}/link-out", f"{root}/link-file.csv", f"{root}/link-chain/secret.csv", f"file://{root}/link-out/secret.csv",
        f"{root.parent}", "/", f"{PREFIX}link-out/secret.csv", f"{root.parent}/foreign/link-in",
    ]  # fmt: skip


@pytest.fixture
def links(place):
    made = {
        place.root / "link-out": place.folder / "foreign",
        place.root / "link-file.csv": place.folder / "foreign" / "secret.csv",
        place.root / "link-chain": place.root / "link-out",
        place.root / "link-inside": place.root / "data",
        place.folder / "foreign" / "link-in": place.root / "data",
        place.folder / "mount" / "link-out": place.folder / "foreign",
        place.folder / "out" / "link-out": place.folder / "foreign",
    }
    for link, target in made.items():
        link.symlink_to(target)
    yield place
    for link in made:
        link.unlink()


@pytest.mark.parametrize("field", ["input", "input object", "output", "data path", "model path", "code"])
def test_what_only_begins_like_a_root_is_refused(links, field):
    all_refused(links, field, spellings(links.root))


def test_an_output_does_not_go_through_a_link(links):
    for text in (
        f"{links.folder}/out/link-out/",
        f"{links.folder}/out/link-out/new/rows.csv",
        str(links.root),
    ):
        refused(links, lambda text=text: FIELDS["output"](links, text, links.access()), NotDeclared)


def spec(place, *, access=None, **values):
    return prepare(place.ws, "heart", access=access or place.access(), **values).spec


def test_what_has_been_declared_is_taken_as_its_real_path(links):
    data = str(links.root / "data")
    for text in (
        data,
        f"{data}/",
        f"{links.root}//./data",
        f"file://{data}",
        f"file://localhost{data}",
        f"{links.root}/link-inside",
    ):
        found = spec(links, input=text)
        assert (found.input_path, found.input_within) == (data, str(links.root))


@pytest.mark.parametrize(
    "text",
    [
        PREFIX,
        "https://good.example/in",
        "HTTPS://GOOD.EXAMPLE:443/in/",
        "https://good.example/in//./",
        "https://good.example/%69n/",
    ],
)
def test_a_declared_address_means_its_folder(place, text):
    if "./" in text.removeprefix("https://"):
        refused(place, lambda: spec(place, input=f"{text}day/"), NotDeclared)
        return
    found = spec(place, input=f"{text.rstrip('/')}/day/?sv=2024&sig={CANARY}#x")
    assert found.input_path == str(place.folder / "mount" / "day")
    assert found.input_reference == "https://good.example/in/day"


def test_the_longest_prefix_counts(place):
    prefixes = {"https://good.example/": place.folder / "foreign", PREFIX: place.folder / "mount"}
    assert spec(place, access=place.access(prefixes=prefixes), input=f"{PREFIX}day").input_path.endswith(
        "mount/day"
    )


def test_a_letter_that_looks_like_one_of_the_host_is_another(place):
    access = place.access(prefixes={"https://kind.example/": place.folder / "mount"})
    assert spec(place, access=access, input="https://KIND.example/day")
    refused(place, lambda: spec(place, access=access, input="https://\u212aind.example/day"), NotDeclared)


def test_an_azure_datastore_may_be_declared_too(place):
    prefixes = {"azureml://datastores/lake/paths/": place.folder / "mount"}
    found = spec(place, access=place.access(prefixes=prefixes), input="azureml://datastores/lake/paths/day/")
    assert found.input_path == str(place.folder / "mount" / "day")


def test_outputs_go_to_output_roots_and_the_datastore(place):
    access = place.access(prefixes={"https://good.example/out/": place.folder / "out"})
    data = str(place.root / "data")
    for text in (f"{place.folder}/out/new/", "https://good.example/out/new/?sig=x"):
        assert spec(place, access=access, input=data, outputs={"o": text}).output_path == str(
            place.folder / "out" / "new"
        )
    stored = spec(
        place, input=data, outputs={"o": "azureml://datastores/workspaceblobstore/paths/a/rows.csv"}
    )
    assert (stored.output_path, stored.settings.output_file_name) == (
        "datastores/workspaceblobstore/a",
        "rows.csv",
    )
    refused(place, lambda: spec(place, input=data, outputs={"o": f"{PREFIX}new/"}), NotDeclared)


def test_the_answer_is_the_same_whether_there_is_something_or_not(place):
    texts = {name: str(place.folder / "foreign" / name) for name in ("secret.csv", "nothing.csv")}
    said = {
        name: str(refused(place, lambda text=text: spec(place, input=text), NotDeclared)).replace(name, "…")
        for name, text in texts.items()
    }
    assert said["secret.csv"] == said["nothing.csv"]


@pytest.mark.parametrize("inner", ["", "secrets", "workspace.db", "jobs", "assets"])
def test_the_workspace_is_no_declared_folder_even_in_a_declared_one(place, inner):
    access = place.access(roots=[place.folder], output_roots=[place.folder])
    text = str(place.folder / "workspace" / inner)
    refused(place, lambda: spec(place, access=access, input=text), NotDeclared)
    outputs = {"o": f"{text}/"}
    refused(
        place,
        lambda: spec(place, access=access, input=str(place.root / "data"), outputs=outputs),
        NotDeclared,
    )


def test_an_input_does_not_hold_the_workspace(place):
    access = place.access(roots=[place.folder])
    refused(place, lambda: spec(place, access=access, input=str(place.folder), recursive=True), NotDeclared)


@pytest.mark.parametrize("field", ["data path", "model path", "code", "build"])
def test_no_definition_holds_the_workspace(place, field):
    access = place.access(roots=[place.folder])
    refused(place, lambda: FIELDS[field](place, str(place.folder), access), NotDeclared)


def test_a_script_is_not_looked_for_where_the_server_runs(place):
    script = place.folder / "here" / "score.py"
    script.write_text("def run(mini_batch):\n    return []\n")
    refused(place, lambda: FIELDS["script alone"](place, script.name, place.access()), NotDeclared)


def test_registered_data_is_given_to_all(links):
    links.client.data.create_or_update(
        Data(name="patients", version="1", path=str(links.folder / "here" / "data"))
    )
    found = spec(links, input="azureml:patients:1")
    assert found.input_path == found.input_within == str(links.folder / "here" / "data")
    with pytest.raises(UsageError) as caught:
        spec(links, access=links.access(endpoint="heart"), input="azureml:patient:1")
    assert "patients" not in str(caught.value)


def test_outputs_of_jobs_are_those_of_the_callers_endpoint(place):
    made = {}
    for name in ("heart", "other"):
        job = place.client.batch_endpoints.invoke(
            name, input=str(place.root / "data"), job_name=f"job-of-{name}"
        )
        folder = place.ws.job_dir(job.name) / "outputs" / "score"
        folder.mkdir(parents=True)
        (folder / "rows.csv").write_text("1\n")
        made[name] = folder
    bound = place.access(endpoint="heart")
    assert spec(place, access=bound, input="azureml://jobs/job-of-heart/outputs/score").input_path.startswith(
        "jobs/"
    )
    texts = [f"azureml://jobs/{name}/outputs/score" for name in ("job-of-other", "job-of-o", "job-of-nobody")]
    said = {
        str(refused(place, lambda text=text: spec(place, access=bound, input=text), NotDeclared))
        for text in texts
    }
    assert len({line.replace("other", "o").replace("nobody", "o") for line in said}) == 1
    assert spec(place, input=texts[0])
    refused(place, lambda: prepare(place.ws, "other", access=bound, input="x"), NotAllowed)
    model = Model(name="m", path=texts[0])
    refused(place, lambda: place.client.models.create_or_update(model, access=bound), NotDeclared)
    (made["heart"] / "link").symlink_to(place.folder / "foreign")
    model = Model(name="m", path="azureml://jobs/job-of-heart/outputs/score")
    refused(place, lambda: place.client.models.create_or_update(model, access=place.access()), NotDeclared)


def test_variables_are_those_of_the_deployment_and_load_no_code(place):
    data = str(place.root / "data")
    changed = {"environment_variables": {"MODE": "slow"}}
    assert (
        prepare(place.ws, "heart", access=place.access(), input=data, params_override=changed).secrets["MODE"]
        == "slow"
    )
    for name in ("PYTHONPATH", "LD_PRELOAD", "NEW", "PATH"):
        changed = {"environment_variables": {name: "/x"}}
        refused(place, lambda changed=changed: spec(place, input=data, params_override=changed), NotAllowed)


def test_definitions_take_what_is_declared(place):
    code = {"code": str(place.root / "code"), "scoring_script": "score.py"}
    environment = {"name": "e", "image": "i", "conda_file": str(place.root / "conda.yml")}
    given = deployment(
        name="full",
        code_configuration=code,
        model={"path": f"file://{place.root}/model.bin"},
        environment=environment,
    )
    stored = place.client.batch_deployments.begin_create_or_update(given, access=place.access()).result()
    assert stored.code_path == code["code"]
    data = place.client.data.create_or_update(
        Data(name="mounted", path=f"{PREFIX}day/?sig=x"), access=place.access()
    )
    assert data.path == str(place.folder / "mount" / "day")


def test_what_is_stored_can_be_stored_again(place):
    """A definition that is fetched and sent back reads nothing, so it may have been made from anywhere."""
    code = {"code": str(place.folder / "foreign"), "scoring_script": "score.py"}
    (place.folder / "foreign" / "score.py").write_text("def run(mini_batch):\n    return []\n")
    operations = place.client.batch_deployments
    before = operations.begin_create_or_update(deployment(name="far", code_configuration=code)).result()
    kept = place.ws.deployments.get("heart", "far").code_dir
    (place.folder / "foreign" / "score.py").write_text(f"def run(mini_batch):\n    return ['{CANARY}']\n")
    again = deployment(**{**before.to_dict(), "description": "new"})
    assert operations.begin_create_or_update(again, access=place.access()).result().description == "new"
    assert place.ws.deployments.get("heart", "far").code_dir == kept
    other = deployment(**{**before.to_dict(), "code_configuration": {**code, "scoring_script": "other.py"}})
    refused(place, lambda: operations.begin_create_or_update(other, access=place.access()), NotDeclared)
    far = Data(name="far", version="1", path=str(place.folder / "here" / "data"))
    place.client.data.create_or_update(far)
    far.description = "new"
    assert place.client.data.create_or_update(far, access=place.access()).description == "new"
    model = place.client.models.create_or_update(
        Model(name="m1", version="1", path=str(place.root / "model.bin"))
    )
    model.description = "new"
    assert place.client.models.create_or_update(model, access=place.access()).description == "new"


@pytest.mark.parametrize("field", ["code", "model path", "defined model"])
def test_a_link_in_a_folder_that_is_copied_does_not_lead_out(links, field):
    folder = links.root / f"with-links-{field.replace(' ', '-')}"
    (folder / "deep").mkdir(parents=True)
    (folder / "score.py").write_text("def run(mini_batch):\n    return []\n")
    for target, fits in (
        (links.root / "data", True),
        (links.folder / "foreign", False),
        (links.root / "link-out", False),
    ):
        (folder / "deep" / "link").unlink(missing_ok=True)
        (folder / "deep" / "link").symlink_to(target)
        if fits:
            FIELDS[field](links, str(folder), links.access())
        else:
            refused(links, lambda: FIELDS[field](links, str(folder), links.access()), NotDeclared)


def test_no_secret_of_an_address_is_kept(place):
    job = place.client.batch_endpoints.invoke(
        "heart", input=Input(path=f"{PREFIX}day/?sv=2024&sig={CANARY}"), access=place.access()
    )
    assert job.inputs["input"]["path"] == "https://good.example/in/day"
    place.client.data.create_or_update(
        Data(name="signed", path=f"{PREFIX}day/?sig={CANARY}"), access=place.access()
    )
    kept = [path for path in place.folder.joinpath("workspace").rglob("*") if path.is_file()]
    assert not [path for path in kept if CANARY.encode() in path.read_bytes() and "code" not in path.parts]


def test_without_limits_nothing_is_different(place):
    free = prepare(place.ws, "heart", input="data", access=Access.free()).spec
    assert free.input_path == str(place.folder / "here" / "data")
    assert free.input_within is None


@pytest.mark.parametrize(
    "values",
    [{"roots": [Path("relative")]}, {"roots": [Path("/a/../b")]}, {"prefixes": {"good.example/in": Path("/a")}},
     {"prefixes": {"https://u@good.example/": Path("/a")}}, {"prefixes": {"file:///etc/": Path("/a")}}],
)  # fmt: skip
def test_limits_that_are_none_are_refused_at_once(values):
    with pytest.raises(ValidationException):
        Access(**values)


_LOOK = r"""
import json, os, re, sys, sysconfig
from pathlib import Path
from hostile_paths import FOREIGN_INPUTS, TRAVERSALS
from limits_support import FIELDS, NAMES, Place
from batchmagic.errors import UsageError

place = Place(Path(sys.argv[1]).resolve())
os.chdir(place.folder / "here")
allowed = [str(place.folder / name) for name in ("workspace", "root", "out", "mount")]
allowed += [sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), sys.argv[2]]
seen, watching = [], []

def hook(event, args):
    if not watching:
        return
    if event.startswith("socket.") and event not in {"socket.__new__", "socket.gethostname"}:
        seen.append([event, repr(args)])
    if event in {"open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.link",
                 "os.chmod", "os.truncate", "shutil.copyfile", "shutil.rmtree", "sqlite3.connect", "glob.glob"}:
        path = os.path.abspath(os.fsdecode(args[0])) if isinstance(args[0], (str, bytes, os.PathLike)) else None
        # Whether the process of a host still lives is asked there.
        if path is not None and not re.fullmatch(r"/proc/\d+/stat", path) and not any(path == base or path.startswith(base + "/") for base in allowed):
            seen.append([event, path])

sys.addaudithook(hook)
texts = [*TRAVERSALS, *FOREIGN_INPUTS]
refused = 0
for watched in (False, True):
    watching[:] = [True] * watched  # what is imported on first use is imported in the first round
    for name, act in FIELDS.items():
        # All of them where a path is looked at first; the other fields take the same road behind that.
        step = 60 if name in NAMES or not watched else 1 if name in {"input", "output", "model path"} else 5
        for text in texts[::step]:
            try:
                act(place, text, place.access())
            except (UsageError, UnicodeEncodeError):
                refused += watched
watching.clear()
print(json.dumps([refused, seen]))
"""


@pytest.mark.slow
def test_nothing_outside_is_opened_listed_made_or_asked(tmp_path):
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, str(tmp_path), str(root / "batchmagic")],
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "MLFLOW_TRACKING_URI": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    count, seen = json.loads(done.stdout.splitlines()[-1])
    assert count > 60 * 10
    assert seen == []


def test_a_race_is_seen_when_the_job_is_planned(place):
    """What became a link after the check is not followed."""
    from batchmagic.scoring.plan import list_files  # noqa: PLC0415

    folder = place.root / "swapped"
    folder.mkdir()
    (folder / "1.csv").write_text("1\n")
    found = spec(place, input=str(folder))
    (folder / "1.csv").unlink()
    (folder / "1.csv").symlink_to(place.folder / "foreign" / "secret.csv")
    with pytest.raises(InputError, match="link that leads out"):
        list_files(Path(found.input_path), recursive=False, within=Path(found.input_within))
    folder.rename(place.root / "moved")
    folder.symlink_to(place.folder / "foreign")
    with pytest.raises(InputError, match="link that leads out"):
        list_files(Path(found.input_path), recursive=False, within=Path(found.input_within))


def test_an_endpoint_that_was_made_beside_is_no_other(place):
    place.client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="hearts"))
    refused(
        place,
        lambda: prepare(place.ws, "hearts", access=place.access(endpoint="heart"), input="x"),
        NotAllowed,
    )
