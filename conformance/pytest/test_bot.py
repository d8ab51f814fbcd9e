import asyncio

from bot import transcript


def test_twenty_meetings_at_once(zoom):
    meetings = [zoom.call("POST", "", {"duration": "8s", "seed": seed}) for seed in range(20)]

    async def join_all():
        return await asyncio.gather(*(transcript(meeting["start_webhook"]["body"]) for meeting in meetings))

    for meeting, lines in zip(meetings, asyncio.run(join_all())):
        played = zoom.call("GET", f"/{meeting['id']}/finished?timeout=30s")
        assert played["verdict"] == "pass" and played["findings"] == []
        assert len(lines) == played["sent"]["transcript"] > 0


def test_a_stream_is_started_and_stopped_by_zooms_own_rest(zoom):
    meeting = zoom.call("POST", "", {"stream": False})
    path = f"/{meeting['id']}"

    async def join_until_it_is_stopped():
        zoom.rest(meeting, "start")
        joining = asyncio.create_task(transcript(zoom.call("GET", path)["start_webhook"]["body"]))
        await asyncio.to_thread(zoom.call, "GET", path + "/joined")
        zoom.rest(meeting, "stop")
        await joining

    asyncio.run(join_until_it_is_stopped())
    played = zoom.call("GET", path + "/finished")
    assert played["streams"][0]["stop_reason"] == 2  # stopped by the app's user
    zoom.call("DELETE", path)
