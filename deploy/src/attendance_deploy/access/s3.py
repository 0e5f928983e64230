"""Policies of the object store: AWS's policy documents, and the file of SeaweedFS that carries the same ones.

Who may read or write objects may also ask whether the bucket is there and list it: without that, S3 answers
403 instead of 404 for an object that is missing, and services could not tell an outage from a loss.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from attendance_deploy.access.permissions import Identity, Permissions, Verb

ACTIONS: Mapping[Verb, str] = {"get": "s3:GetObject", "put": "s3:PutObject", "delete": "s3:DeleteObject"}
VERSION = "2012-10-17"


class Key(NamedTuple):
    """The access key of an identity."""

    access: str
    secret: str


class Place(NamedTuple):
    """A part of a bucket; the prefix of a whole one is empty."""

    bucket: str
    prefix: str


def places_of(identity: Identity, bucket: str) -> dict[Place, tuple[Verb, ...]]:
    """Return what an identity may do where. bucket: that of the images."""
    found: dict[Place, tuple[Verb, ...]] = {}
    for where, verbs in (identity.object_store or {}).items():
        is_other = where.startswith("/")
        place = Place(where.removeprefix("/"), "") if is_other else Place(bucket, where)
        found[place] = verbs
    return found


def policy_of(identity: Identity, bucket: str) -> dict[str, Any]:
    """Return the policy document of an identity."""
    places = places_of(identity, bucket)
    objects = [
        {
            "Effect": "Allow",
            "Action": [ACTIONS[verb] for verb in verbs],
            "Resource": [f"arn:aws:s3:::{place.bucket}/{place.prefix}*"],
        }
        for place, verbs in places.items()
    ]
    buckets = [f"arn:aws:s3:::{name}" for name in dict.fromkeys(place.bucket for place in places)]
    listing = {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": buckets}
    return {"Version": VERSION, "Statement": [*objects, listing]}


def policies(permissions: Permissions, bucket: str) -> dict[str, dict[str, Any]]:
    """Return the policy document of each identity that has one."""
    return {
        name: policy_of(identity, bucket)
        for name, identity in permissions.identities.items()
        if identity.object_store
    }


def seaweedfs_identities(permissions: Permissions, bucket: str, keys: Mapping[str, Key]) -> dict[str, Any]:
    """Return what SeaweedFS reads with `-s3.config`: identities by name, with their keys and policies.

    keys: by name; an identity without one cannot log in, so it is left out. Other names in `keys` are
    administrators.
    """
    documents = policies(permissions, bucket)
    administrators = keys.keys() - permissions.identities.keys()
    return {
        "identities": [
            *(_identity(name, keys[name]) | {"policyNames": [name]} for name in documents if name in keys),
            *(_identity(name, keys[name]) | {"actions": ["Admin"]} for name in sorted(administrators)),
        ],
        "policies": [{"name": name, "content": json.dumps(each)} for name, each in documents.items()],
    }


def _identity(name: str, key: Key) -> dict[str, Any]:
    return {"name": name, "credentials": [{"accessKey": key.access, "secretKey": key.secret}]}
