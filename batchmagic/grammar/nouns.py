"""Every noun and verb, with help and an example each."""

from __future__ import annotations

from dataclasses import replace

from batchmagic.grammar.model import Noun, Option, Verb
from batchmagic.grammar.nouns_job import JOB_NOUN
from batchmagic.grammar.nouns_serve import SERVE, TOKEN
from batchmagic.grammar.nouns_workspace import AZURE, BACKUP, DOCTOR, PRUNE, WORKSPACE
from batchmagic.grammar.options import (
    DEFINITION,
    DEPLOYMENT,
    DESCRIPTION,
    ENDPOINT,
    FILE,
    INVOKE,
    OPTIONAL_ENDPOINT,
    SET,
    VERSION,
)
from batchmagic.grammar.verbs_files import APPLY, EXPORT

_PATH = Option(flags=("--path", "-p"), metavar="PATH", completes="path", help="the file or folder")
_OPTIONAL_NAME = Option(flags=("NAME",), optional=True, help="the name (a definition may give it)")


def _type(*choices: str) -> Option:
    return Option(flags=("--type",), metavar="|".join(choices), choices=choices, help="what it is")


def _asset(noun: str, about: str, create: tuple[Option, ...], example: str, cell: str) -> Noun:
    name = Option(flags=("NAME",), completes=noun, help=f"the {noun}'s name, or name:version")
    only = Option(flags=("NAME",), optional=True, completes=noun, help="only the versions of this one")
    verbs = [
        Verb(
            name="create",
            help=f"register a {noun} as a new version",
            handler=f"{noun}:create",
            example=f"{noun} create {example}",
            options=(_OPTIONAL_NAME, *create, FILE, VERSION, DESCRIPTION, SET),
            body="yaml",
            cell=cell,
        ),
        Verb(
            name="list",
            help=f"list {about}",
            handler=f"{noun}:list_",
            example=f"{noun} list",
            options=(
                only,
                Option(flags=("--archived",), takes="flag", default=False, help="archived ones too"),
            ),
        ),
        Verb(
            name="show",
            help=f"show one {noun}",
            handler=f"{noun}:show",
            example=f"{noun} show heart:1",
            options=(name, VERSION),
        ),
        Verb(
            name="archive",
            help=f"hide a {noun} from lists",
            handler=f"{noun}:archive",
            example=f"{noun} archive heart:1",
            options=(name, VERSION),
        ),
        Verb(
            name="restore",
            help=f"bring an archived {noun} back",
            handler=f"{noun}:restore",
            example=f"{noun} restore heart:1",
            options=(name, VERSION),
        ),
        Verb(
            name="delete",
            help=f"delete a version of a {noun}",
            handler=f"{noun}:delete",
            example=f"{noun} delete heart:1",
            options=(name, VERSION),
        ),
    ]
    return Noun(name=noun, help=about, verbs=tuple(verbs))


DEPLOY = Verb(
    name="deploy",
    help="deploy a model to an endpoint, which is made if it is not there",
    handler="deploy:deploy",
    options=(DEPLOYMENT, *DEFINITION),
    example="deploy heart/classifier --model ./model --code ./code --scoring-script score.py",
    body="python",
    cell="""deploy heart/classifier --model ./model --mini-batch-size 5
import os
import joblib

def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "model.pkl"))

def run(mini_batch):
    return [...]  # one row per file, or a DataFrame""",
)
INVOKE_VERB = Verb(
    name="invoke",
    help="score a folder of files with a deployment",
    handler="invoke:invoke",
    options=INVOKE,
    example="invoke heart --input ./patients --output ./scores",
)
_ENDPOINT = Noun(
    name="endpoint",
    help="endpoints: the stable names that jobs are invoked by",
    verbs=(
        Verb(
            name="create",
            help="create or update an endpoint",
            handler="endpoint:create",
            example="endpoint create heart",
            body="yaml",
            cell="""endpoint
name: heart
description: risk of heart disease""",
            options=(_OPTIONAL_NAME, FILE, DESCRIPTION, SET),
        ),
        Verb(name="list", help="list endpoints", handler="endpoint:list_", example="endpoint list"),
        Verb(
            name="show",
            help="show one endpoint",
            handler="endpoint:show",
            example="endpoint show heart",
            options=(ENDPOINT,),
        ),
        Verb(
            name="update",
            help="change an endpoint",
            handler="endpoint:update",
            example="endpoint update heart --default classifier",
            options=(
                ENDPOINT,
                Option(
                    flags=("--default",),
                    metavar="DEPLOYMENT",
                    completes="deployment",
                    help="the default deployment",
                ),
                DESCRIPTION,
                SET,
            ),
        ),
        Verb(
            name="delete",
            help="delete an endpoint with its deployments; its jobs stay",
            handler="endpoint:delete",
            example="endpoint delete heart",
            options=(ENDPOINT,),
        ),
    ),
)

_DEPLOYMENT = Noun(
    name="deployment",
    help="deployments: a model, a script and settings behind an endpoint",
    verbs=(
        Verb(
            name="create",
            help="create or update a deployment of an endpoint that is there",
            handler="deployment:create",
            example="deployment create --file deployment.yml",
            body="yaml",
            cell="""deployment
name: classifier
endpoint_name: heart
model: azureml:heart@latest
mini_batch_size: 5""",
            options=(
                Option(
                    flags=("TARGET",),
                    metavar="ENDPOINT/DEPLOYMENT",
                    optional=True,
                    completes="deployment",
                    help="endpoint and deployment (a definition may give them)",
                ),
                FILE,
                *DEFINITION,
            ),
        ),
        Verb(
            name="list",
            help="list the deployments of an endpoint",
            handler="deployment:list_",
            example="deployment list heart",
            options=(OPTIONAL_ENDPOINT,),
        ),
        Verb(
            name="show",
            help="show one deployment",
            handler="deployment:show",
            example="deployment show heart/classifier",
            options=(DEPLOYMENT,),
        ),
        Verb(
            name="update",
            help="change a deployment; it gets a new version",
            handler="deployment:update",
            example="deployment update heart/classifier --set mini_batch_size=50",
            options=(
                DEPLOYMENT,
                replace(SET, required=True),
            ),
        ),
        Verb(
            name="delete",
            help="delete a deployment; its jobs stay",
            handler="deployment:delete",
            example="deployment delete heart/classifier",
            options=(DEPLOYMENT,),
        ),
    ),
)

_COMPUTE_NAME = Option(flags=("NAME",), completes="compute", help="the compute's name")
_COMPUTE = Noun(
    name="compute",
    help="computes: where jobs run",
    verbs=(
        Verb(
            name="create",
            help="create or update a compute",
            handler="compute:create",
            example="compute create batch-cluster --max-instances 4",
            body="yaml",
            cell="""compute
name: batch-cluster
type: amlcompute
max_instances: 4""",
            options=(
                _OPTIONAL_NAME,
                FILE,
                Option(flags=("--min-instances",), metavar="N", help="instances that stay (0)"),
                Option(flags=("--max-instances",), metavar="N", help="instances that there may be (4)"),
                Option(
                    flags=("--idle-time",), metavar="S", help="seconds before an idle instance goes (120)"
                ),
                DESCRIPTION,
                SET,
            ),
        ),
        Verb(name="list", help="list computes", handler="compute:list_", example="compute list"),
        Verb(
            name="show",
            help="show one compute",
            handler="compute:show",
            example="compute show local",
            options=(_COMPUTE_NAME,),
        ),
        Verb(
            name="delete",
            help="delete a compute that nothing runs on",
            handler="compute:delete",
            example="compute delete batch-cluster",
            options=(_COMPUTE_NAME,),
        ),
    ),
)

NOUNS: tuple[Noun | Verb, ...] = (
    DEPLOY,
    INVOKE_VERB,
    JOB_NOUN,
    _ENDPOINT,
    _DEPLOYMENT,
    _asset(
        "model",
        "models: registered, copied and never changed",
        (_PATH, _type("mlflow_model", "custom_model")),
        "heart --path ./model",
        "model\nname: heart\npath: ./model\ntype: mlflow_model",
    ),
    _asset(
        "data",
        "data: names for input folders",
        (_PATH, _type("uri_folder", "uri_file")),
        "patients --path ./patients",
        "data\nname: patients\npath: ./patients",
    ),
    _asset(
        "environment",
        "environments: what a scoring script needs",
        (
            Option(
                flags=("--conda-file",), metavar="FILE", completes="path", help="a conda environment file"
            ),
            Option(flags=("--image",), metavar="IMAGE", help="the container image that Azure uses"),
        ),
        "heart-env --conda-file conda.yml",
        "environment\nname: heart-env\nconda_file: ./conda.yml",
    ),
    _COMPUTE,
    APPLY,
    EXPORT,
    PRUNE,
    BACKUP,
    SERVE,
    TOKEN,
    AZURE,
    DOCTOR,
    WORKSPACE,
)
