"""`attendance-schemas` and the services share no code, and reach their servers by the same variables."""

from attendance_schemas.connection import KAFKA_VARIABLES, MECHANISMS, PROTOCOLS, REGISTRY_VARIABLES
from service_kit.settings import KafkaSettings, SchemaRegistrySettings


def test_apply_reads_the_variables_of_the_services() -> None:
    of_services = {KafkaSettings.variable(name) for name in KafkaSettings.model_fields}
    assert of_services == {*KAFKA_VARIABLES, "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC_PREFIX"}
    of_services = {SchemaRegistrySettings.variable(name) for name in SchemaRegistrySettings.model_fields}
    assert of_services == {*REGISTRY_VARIABLES, "SCHEMA_REGISTRY_URL"}


def test_apply_knows_the_same_protocols() -> None:
    fields = KafkaSettings.model_fields
    assert fields["security_protocol"].annotation.__args__ == PROTOCOLS
    assert fields["sasl_mechanism"].annotation.__args__ == MECHANISMS
