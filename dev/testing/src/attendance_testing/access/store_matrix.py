"""Every identity at every prefix of the object store, and at every kind of key in Valkey."""

from collections.abc import AsyncIterator, Callable, Iterator
from io import BytesIO

import urllib3
from minio import Minio
from minio.error import S3Error
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from attendance_deploy.access.s3 import Place, places_of
from attendance_testing.access.installation import Installation
from attendance_testing.access.outcomes import Outcome
from attendance_testing.access.services import client_context
from local_stack.environment import BUCKET, REGION

OBJECT_STORE, VALKEY = "object-store", "valkey"
SECONDS = 10.0
OTHER_BUCKETS = ("archive", "models", "private")
# Keys that nobody has; commands that no service sends.
STRANGE_KEY = "strange:key"
ADMINISTRATION = (
    ("ACL", "LIST"),
    ("ACL", "SETUSER", "more", "on"),
    ("CONFIG", "GET", "*"),
    ("FLUSHALL",),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("MONITOR",),
    ("SHUTDOWN", "ABORT"),
    ("PUBLISH", "channel", "word"),
)
READ_COMMAND, WRITE_COMMAND = "GET", "SET"


def object_outcomes(installation: Installation) -> Iterator[Outcome]:
    """Try get, put and delete everywhere, over TLS with the certificate of each identity."""
    administrator = _client(
        installation,
        "object-store",
        installation.env.object_store_access_key,
        installation.env.object_store_secret_key,
    )
    places = _places(installation)
    for bucket in OTHER_BUCKETS:
        if not administrator.bucket_exists(bucket):
            administrator.make_bucket(bucket)
    for bucket, prefix in places:
        administrator.put_object(bucket, f"{prefix}seed", BytesIO(b"seed"), 4)
    for name, identity in installation.permissions.identities.items():
        allowed = places_of(identity, BUCKET)
        key = installation.key(name)
        client = _client(installation, name, *key)
        for place in places:
            own = (place.bucket, f"{place.prefix}{name}")
            for verb, did in (
                ("get", _did(_get, client, place)),
                ("put", _did(client.put_object, *own, BytesIO(b"x"), 1)),
                ("delete", _did(client.remove_object, *own)),
            ):
                what, may = f"{verb}: {place.bucket}/{place.prefix}", verb in allowed.get(place, ())
                yield Outcome(OBJECT_STORE, name, what, may, did)
        other = next(each for each in installation.permissions.identities if each != name)
        stolen = _client(installation, name, installation.key(other).access, key.secret)
        for what, did in {
            "make: a bucket": _did(client.make_bucket, f"new-{name}"),
            "remove: a bucket": _did(client.remove_bucket, "private"),
            "open: a bucket to all": _did(client.set_bucket_policy, BUCKET, "{}"),
            "claim: the key of another": _did(_get, stolen, Place(BUCKET, "captures/")),
        }.items():
            yield Outcome(OBJECT_STORE, name, what, False, did)


def _places(installation: Installation) -> list[Place]:
    ours = [
        place
        for identity in installation.permissions.identities.values()
        for place in places_of(identity, BUCKET)
    ]
    strange = [Place(BUCKET, "strange/"), Place(BUCKET, ""), *(Place(name, "") for name in OTHER_BUCKETS)]
    return list(dict.fromkeys((*ours, *strange)))


def _client(installation: Installation, name: str, access: str, secret: str) -> Minio:
    context = client_context(installation.certificate(name))
    pool = urllib3.PoolManager(timeout=SECONDS, retries=False, ssl_context=context)
    return Minio(
        installation.object_store_tls,
        access_key=access,
        secret_key=secret,
        secure=True,
        region=REGION,
        http_client=pool,
    )


def _get(client: Minio, place: Place) -> None:
    response = client.get_object(place.bucket, f"{place.prefix}seed")
    response.close()
    response.release_conn()


def _did(attempt: Callable[..., object], *arguments: object) -> bool:
    try:
        attempt(*arguments)
    except S3Error as error:
        if error.code in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
            return False
        raise
    return True


async def valkey_outcomes(installation: Installation) -> AsyncIterator[Outcome]:
    """Try to read and write every kind of key, in commands and scripts, and to administer."""
    permissions, prefix = installation.permissions, installation.prefix
    patterns = {
        pattern: prefix + pattern.replace("*", "matrix")
        for identity in permissions.identities.values()
        if identity.valkey is not None
        for pattern in identity.valkey.keys
    }
    for name, identity in permissions.identities.items():
        async with Redis.from_url(installation.valkey_url(name), socket_timeout=SECONDS) as client:
            if (access := identity.valkey) is None:
                yield Outcome(VALKEY, name, "log in: at all", False, await _answers(client, "PING"))
                continue
            for pattern, key in {**patterns, "anything": STRANGE_KEY, "no prefix": "presence:x"}.items():
                own = pattern in access.keys
                for command, arguments, writes in (
                    ("EXISTS", (key,), False),
                    ("GET", (key,), False),
                    ("SET", (key, "x"), True),
                    ("DEL", (key,), True),
                ):
                    may = own and command.lower() in access.commands and not (writes and access.read_only)
                    did = await _answers(client, command, *arguments)
                    yield Outcome(VALKEY, name, f"{command}: {pattern}", may, did)
                script = "return redis.call('EXISTS', KEYS[1])"
                may = own and {"evalsha", "script|load", "exists"} <= set(access.commands)
                did = await _runs_script(client, script, key)
                yield Outcome(VALKEY, name, f"script: {pattern}", may, did)
            for command in ADMINISTRATION:
                did = await _answers(client, *command)
                yield Outcome(VALKEY, name, f"administer: {command[0]}", False, did)
        for other in permissions.identities:
            if other != name and permissions.identities[other].valkey is not None:
                url = installation.valkey_url(name, user=other)
                async with Redis.from_url(url, socket_timeout=SECONDS) as client:
                    did = await _answers(client, "PING")
                yield Outcome(VALKEY, name, f"claim: to be {other}", False, did)


async def _answers(client: Redis, *command: str) -> bool:
    try:
        await client.execute_command(*command)
    except (AuthenticationError, NoPermissionError):
        return False
    return True


async def _runs_script(client: Redis, script: str, key: str) -> bool:
    try:
        digest = await client.script_load(script)
        await client.evalsha(digest, 1, key)
    except NoPermissionError:
        return False
    except ResponseError as error:
        if "ACL failure in script" in str(error):
            return False
        raise
    return True
