"""Events out to Kafka: `pip install 'taskyard[kafka]'`, and a broker at KAFKA_BROKERS (else localhost:9092)."""

import asyncio
import json
import os
import tempfile
import uuid
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from taskyard import Taskyard
from taskyard.settings import load

BROKERS = os.environ.get("KAFKA_BROKERS", "localhost:9092")
TOPIC = f"tasks-{uuid.uuid4().hex[:8]}"

folder = Path(tempfile.mkdtemp(prefix="taskyard-example-"))
settings = load().with_values(
    TASKYARD_DATABASE_URL=f"sqlite:///{folder}/example.db",
    TASKYARD_CONNECTOR="kafka",
    KAFKA_BROKERS=(BROKERS,),
    TASKYARD_KAFKA_TOPICS_IN=(),
    TASKYARD_KAFKA_TOPICS_OUT=(TOPIC,),
)
yard = Taskyard(settings=settings)


@yard.task
async def count(text: str) -> int:
    return len(text.split())


async def listen(task_id: str) -> None:
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=BROKERS, auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(30):
        async for message in consumer:  # the key of each is its task's id, so they come in order
            event = json.loads(message.value)
            print(event["type"], event["data"].get("outputSummary", ""))
            if message.key.decode() == task_id and event["type"] == "task.instance.completed":
                return


async def main() -> None:
    async with yard.worker():
        run = await count.start(text="to Kafka and back")
        await run.result()
        await listen(run.id)


asyncio.run(main())
