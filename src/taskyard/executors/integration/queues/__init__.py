"""Message queues: Kafka, SQS, RabbitMQ, NATS JetStream, Redis and Valkey streams."""
