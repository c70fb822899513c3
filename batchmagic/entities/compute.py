"""A named compute: how many instances it may have, and when they leave."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from batchmagic.entities.base import Resource
from batchmagic.entities.fields import Amount, AnyMap, ComputeName, Count, Text, TextMap, one_of
from batchmagic.entities.problems import carried
from batchmagic.entities.unset import without_unset
from batchmagic.errors import ValidationException


class AmlCompute(Resource):
    """A compute of `min_instances` to `max_instances` instances; what describes machines is a label here.

    Parameters
    ----------
    name
        2 to 32 letters, digits and dashes.
    min_instances, max_instances
        Instances that are kept, and that there can be.
    idle_time_before_scale_down
        Seconds that an instance waits for work before it leaves.
    """

    shown_as: ClassVar[str] = "compute"
    _schema_name: ClassVar[str] = "amlCompute"

    name: ComputeName = Field(description="Name of the compute")
    type: Annotated[Literal["amlcompute"], BeforeValidator(one_of(("amlcompute",)))] = Field(
        "amlcompute", description="Kind of compute"
    )
    description: Text | None = Field(None, description="What it is, in words")
    size: Text | None = Field(None, description="A label: instances are processes of this machine")
    tier: (
        Annotated[
            Literal["dedicated", "low_priority"], BeforeValidator(one_of(("dedicated", "low_priority")))
        ]
        | None
    ) = Field(None, description="A label")
    min_instances: Amount = Field(0, description="Instances that are kept")
    max_instances: Count = Field(4, description="Instances that there can be")
    idle_time_before_scale_down: Amount = Field(
        120, description="Seconds that an instance waits for work before it leaves"
    )
    tags: TextMap = Field(default_factory=dict, description="Labels to find it by")
    location: Text | None = Field(None, description="A label")
    identity: AnyMap | None = Field(None, description="Accepted; without meaning here")
    network_settings: AnyMap | None = Field(None, description="Accepted; without meaning here")
    ssh_public_access_enabled: bool | None = Field(None, description="Accepted; without meaning here")
    ssh_settings: AnyMap | None = Field(None, description="Accepted; without meaning here")
    enable_node_public_ip: bool = Field(True, description="Accepted; without meaning here")  # noqa: FBT003

    @property
    def created_on(self) -> str | None:
        """When it was made, as ISO 8601; None until it is stored."""
        when = self.creation_context.created_at
        return None if when is None else when.isoformat()

    @property
    def provisioning_errors(self) -> str | None:
        """None: a definition is stored or refused at once."""
        return None

    @classmethod
    def _fold(cls, values: dict[str, Any]) -> dict[str, Any]:
        return without_unset(super()._fold(values))

    @model_validator(mode="after")
    def _min_to_max(self) -> Self:
        if self.min_instances > self.max_instances:
            error = ValidationException(
                field="min_instances",
                value=self.min_instances,
                reason=f"is more than max_instances, {self.max_instances}",
                hint="Raise max_instances first.",
            )
            raise carried(error, key="min_instances")
        return self
