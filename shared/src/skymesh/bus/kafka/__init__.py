"""The bus on Kafka: the one place that speaks with it."""
