"""Everything that Zoom's SDK is taken through, in the order in which the checks are printed."""

import plain
import trouble


def all_stories():
    return [
        *plain.ids(),
        plain.whole_meeting(),
        *plain.media_alone(),
        plain.pause_and_sessions(),
        plain.camera_of_choice(),
        plain.webhooks(),
        *plain.tls(),
        trouble.interrupted(),
        *trouble.cuts(),
        *trouble.closes(),
        *trouble.stop_reasons(),
        trouble.wrong_secret(),
        *trouble.unsupported_audio(),
    ]
