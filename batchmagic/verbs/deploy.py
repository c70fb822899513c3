"""``deploy``: a deployment, with its endpoint if need be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.verbs.deployment import defined, described
from batchmagic.verbs.outcome import Outcome

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context


def deploy(context: Context) -> Outcome:
    """Deploy a model, and say what was made on the way."""
    from batchmagic.sdk.deploy import deploy as deploy_  # noqa: PLC0415

    with defined(context) as given:
        result = deploy_(
            context.session, given.entity, make_default=context.arguments.default, staged=given.staged
        )
    record = result.record
    if result.made_endpoint:
        context.face.note(f"Made the endpoint {record.endpoint}")
    default = f", the default of {record.endpoint}" if result.became_default else ""
    target = record.endpoint if result.is_default else f"{record.endpoint}/{record.name}"
    text = (
        f"Deployed {record.endpoint}/{record.name}, version {record.version}{default}\n"
        f"Next: {context.command} invoke {target} --input PATH"
    )
    return Outcome(document=described(record), value=record.entity, text=text)
