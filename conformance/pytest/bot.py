"""The program under test, as small as one can be: joins a stream and gathers its transcript."""

import asyncio
import hashlib
import hmac
import json

from websockets.asyncio.client import connect


async def transcript(start_webhook):
    """Returns the lines of the stream that this webhook starts, when it is over."""
    start = json.loads(start_webhook)["payload"]
    ids = {key: start[key] for key in ("meeting_uuid", "rtms_stream_id")}
    text = ",".join(["sim-client-id", *ids.values()])
    ids["signature"] = hmac.new(b"sim-client-secret", text.encode(), hashlib.sha256).hexdigest()
    lines = []

    async def converse(url, first, hear):
        async with connect(url) as socket:
            await socket.send(json.dumps({"protocol_version": 1, "sequence": 1, **ids, **first}))
            async for frame in socket:
                message = json.loads(frame)
                if message["msg_type"] == 12:  # keep-alive: repeat what came
                    await socket.send(json.dumps({**message, "msg_type": 13}))
                else:
                    await hear(socket, message)

    async with asyncio.TaskGroup() as tasks:

        async def hear_signaling(signaling, message):
            if message["msg_type"] == 2:
                url = message["media_server"]["server_urls"]["transcript"]
                ready = json.dumps({"msg_type": 7, "rtms_stream_id": ids["rtms_stream_id"]})

                async def hear_media(_, message):
                    if message["msg_type"] == 4:
                        await signaling.send(ready)
                    elif message["msg_type"] == 17:
                        lines.append(message["content"]["data"])

                tasks.create_task(converse(url, {"msg_type": 3, "media_type": 8}, hear_media))

        tasks.create_task(converse(start["server_urls"], {"msg_type": 1}, hear_signaling))
    return lines
