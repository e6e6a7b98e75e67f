"""What the clients of SQS share; knows no client library."""
