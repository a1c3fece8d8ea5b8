"""Events over Apache Kafka, and what speaks its protocol; with the extra `taskyard[kafka]`."""

from taskyard.connectors.kafka.connector import KafkaConnector
from taskyard.connectors.kafka.options import KafkaOptions

__all__ = ["KafkaConnector", "KafkaOptions"]
