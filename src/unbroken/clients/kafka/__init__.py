"""What the clients of Kafka share; knows no client library."""
