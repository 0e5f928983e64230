"""`attendance-schemas` and the services share no code, and reach Kafka by the same variables."""

from attendance_schemas.connection import MECHANISMS, PROTOCOLS, VARIABLES
from service_kit.settings import KafkaSettings


def test_apply_reads_the_variables_of_the_services() -> None:
    of_services = {KafkaSettings.variable(name) for name in KafkaSettings.model_fields}
    assert of_services == {*VARIABLES, "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC_PREFIX"}


def test_apply_knows_the_same_protocols() -> None:
    fields = KafkaSettings.model_fields
    assert fields["security_protocol"].annotation.__args__ == PROTOCOLS
    assert fields["sasl_mechanism"].annotation.__args__ == MECHANISMS
