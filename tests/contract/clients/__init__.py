"""One driver per client."""

from tests.contract.clients.aio_pika import AioPika, AioPikaRobust
from tests.contract.clients.aiobotocore import Aiobotocore
from tests.contract.clients.aiokafka import Aiokafka
from tests.contract.clients.boto3 import Boto3, Boto3Resource
from tests.contract.clients.confluent import Confluent, ConfluentAIO, ConfluentSerializing, ConfluentShare
from tests.contract.clients.driver import Client, KafkaClient
from tests.contract.clients.kafka_python import KafkaPython
from tests.contract.clients.pika import Pika

KAFKA: list[type[KafkaClient]] = [
    Confluent,
    ConfluentSerializing,
    ConfluentAIO,
    ConfluentShare,
    Aiokafka,
    KafkaPython,
]
CLIENTS: list[type[Client]] = [*KAFKA, Boto3, Boto3Resource, Aiobotocore, Pika, AioPika, AioPikaRobust]

__all__ = ["CLIENTS", "KAFKA", "Client", "ConfluentShare", "KafkaClient", "KafkaPython"]
