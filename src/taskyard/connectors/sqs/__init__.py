"""Events over Amazon SQS, and what speaks its protocol; with the extra `taskyard[sqs]`."""

from taskyard.connectors.sqs.connector import SqsConnector
from taskyard.connectors.sqs.options import SqsOptions

__all__ = ["SqsConnector", "SqsOptions"]
