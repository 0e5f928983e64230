"""Follows a topic whose records have to be decoded: a registry that is away delays it, as Kafka does."""

from attendance_schemas.errors import RegistryUnavailable
from attendance_schemas.topics import Topic
from service_kit.errors import TransientFailure
from service_kit.settings import KafkaSettings
from service_kit.views.followed_topic import Apply, FollowedTopic


def followed(
    kafka: KafkaSettings, topic: Topic, apply: Apply, *, aside: tuple[type[Exception], ...] = ()
) -> FollowedTopic:
    """Return a topic to follow; RegistryUnavailable and TransientFailure of `apply` only delay a record.

    aside: what sets a record aside, where the others may go on without it.
    """
    return FollowedTopic(kafka, topic.name, apply, again=(RegistryUnavailable, TransientFailure), aside=aside)
