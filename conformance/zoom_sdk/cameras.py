"""Going from one camera of choice to the next, as a client of Zoom's SDK: what is asked for, and when.

Each step waits for what the one before brings, never for time:

1. both cameras that are on when the stream is joined are known: the second one is asked for;
2. its pictures come: it is asked for again, then somebody who is not there, then the first camera;
3. that one's pictures come: it is given up.
"""

# So many pictures show that a camera was really chosen.
ENOUGH = 10

# Nobody in a meeting has this number.
NOBODY = 1


class Tour:
    """The steps, driven by the SDK's callbacks."""

    def __init__(self, client, notes):
        self.client = client
        self.notes = notes
        self.first = self.second = None
        self.frames = {}

    def on_cameras(self, users):
        if self.second is None and len(users) > 1:
            self.first, self.second = users[:2]
            self.ask(self.second, True)

    def on_frame(self, user_id):
        self.frames[user_id] = self.frames.get(user_id, 0) + 1
        if self.frames[user_id] != ENOUGH:
            return
        if user_id == self.second:
            self.ask(self.second, True)
            self.ask(NOBODY, True)
            self.ask(self.first, True)
        elif user_id == self.first:
            self.ask(self.first, False)

    def ask(self, user_id, subscribe):
        self.notes.write("asked_for_video", user_id=user_id, subscribe=subscribe)
        self.client.subscribe_video(user_id, subscribe)
