"""What the clients of RabbitMQ share; knows no client library."""
