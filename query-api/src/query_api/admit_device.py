"""Let a device in that is recorded and not revoked, as the directory has it now: a token outlives both.

While the database is away nobody knows. Then a device is let in: all that it can be told are decisions of the
last moments on captures of its own, and ingest, which follows the directory itself, took those from it.
"""

from query_api.domain.scope import Scope
from query_api.errors import DeviceRevoked, ReadModelUnavailable, UnknownDevice
from query_api.ports import ReadModel


async def admit_device(scope: Scope, read_model: ReadModel) -> None:
    """Raise UnknownDevice or DeviceRevoked when the scope is of a device that may not read."""
    if scope.device_id is None:
        return
    try:
        device = await read_model.device(scope)
    except ReadModelUnavailable:
        return
    if device is None:
        raise UnknownDevice(
            f"device {scope.device_id} is not recorded here, or not yet; ask again in a moment, "
            f"then ask ops to PUT /v1/directory/devices/{scope.device_id}"
        )
    if device.revoked:
        raise DeviceRevoked(f"device {scope.device_id} is revoked; stop, and ask ops to enrol it again")
