"""``deploy``: a deployment, with its endpoint if need be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.cli.commands.deployment import definition, described
from batchmagic.cli.render import done, note

if TYPE_CHECKING:
    from batchmagic.cli.context import Context


def deploy(context: Context) -> None:
    """Deploy a model, and say what was made on the way."""
    from batchmagic.sdk.deploy import deploy as deploy_  # noqa: PLC0415

    result = deploy_(context.client.session, definition(context), make_default=context.arguments.default)
    record = result.record
    if result.made_endpoint:
        note(f"Made the endpoint {record.endpoint}")
    default = f", the default of {record.endpoint}" if result.became_default else ""
    text = (
        f"Deployed {record.endpoint}/{record.name}, version {record.version}{default}\n"
        f"Next: {context.command} invoke {record.endpoint if result.became_default else f'{record.endpoint}/{record.name}'} --input PATH"
    )
    done(text, described(record), context.form)
