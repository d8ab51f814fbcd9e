//! The plan of one meeting: who is there, who says what when, who shares. It follows from a seed.

use rtms_wire::{
    codes::{language::TranscriptLanguage, media::MediaResolution},
    ids::UserId,
};

use crate::{
    meeting::{
        call::{self, CallStep},
        chat::{self, ChatLine},
        groups::{self, GroupChange},
        happening::{Change, Happening},
        options::{CameraStyle, MeetingOptions, Scene},
        participant::Participant,
        transcript::{self, TranscriptLine},
        utterance::{GRID_MS, LONGEST_UTTERANCE_MS, Utterance},
    },
    seed::Seed,
    source::{
        phrases::{self, SPEAKERS, Speaker},
        speech::Voice,
    },
};

/// The whole story of one meeting.
#[derive(Clone, Debug)]
pub struct Meeting {
    /// What was wanted.
    pub options: MeetingOptions,
    /// How long it lasts, in milliseconds.
    pub duration_ms: u64,
    /// Everybody who is ever in it, in the order of their numbers.
    pub participants: Vec<Participant>,
    /// What is said, by start; times are multiples of 20 ms, the smallest packet of sound.
    pub utterances: Vec<Utterance>,
    /// When screens are shared, by start; never two at once.
    pub shares: Vec<Share>,
    /// What is written, by time.
    pub chat: Vec<ChatLine>,
    /// What happens to the chat group, by time; told in meetings and webinars.
    pub group_changes: Vec<GroupChange>,
    /// What happens to the call, by time; told in the Contact Center.
    pub call: Vec<CallStep>,
    /// Everything that clients are told of as an event, by time.
    pub happenings: Vec<Happening>,
}

/// Somebody sharing a screen.
#[derive(Clone, Debug)]
pub struct Share {
    /// Who, as an index into [`Meeting::participants`].
    pub sharer: usize,
    /// When it starts.
    pub start_ms: u64,
    /// When it stops.
    pub end_ms: u64,
}

/// Of more people than these, Zoom sends the sound of these many. Basis: documented.
pub(crate) const MOST_SPEAKERS: usize = 3;

impl Meeting {
    /// Writes the story.
    pub fn plan(options: &MeetingOptions) -> Self {
        let seed = Seed::new(options.seed);
        let duration_ms = u64::try_from(options.duration.as_millis()).unwrap_or(u64::MAX).clamp(GRID_MS, 1 << 40);
        let mut participants = plan_participants(&seed, usize::from(options.participants.max(1)), duration_ms);
        let cast = cast(&seed, participants.len());
        let flash_and_beep = options.scene == Scene::FlashAndBeep;
        let utterances = match options.scene {
            Scene::FlashAndBeep => beeps(duration_ms),
            Scene::Conversation | Scene::AllTalkAtOnce if options.sources.sound.is_some() => {
                monologues(&mut participants, 1, duration_ms)
            }
            Scene::Conversation => plan_speech(&seed, &participants, &cast, duration_ms),
            Scene::AllTalkAtOnce => monologues(&mut participants, MOST_SPEAKERS, duration_ms),
        };
        let shares = if flash_and_beep {
            vec![Share { sharer: 0, start_ms: 0, end_ms: duration_ms }]
        } else {
            plan_shares(&seed, &participants, duration_ms)
        };
        plan_cameras(&seed, &mut participants, options.cameras, duration_ms);
        let group_changes = groups::plan(&participants, duration_ms);
        let call = call::plan(&participants, duration_ms);
        let chat = chat::plan(&seed, options.chat, &participants, &group_changes, duration_ms);
        let mut meeting = Self {
            options: options.clone(),
            duration_ms,
            participants,
            utterances,
            shares,
            chat,
            group_changes,
            call,
            happenings: Vec::new(),
        };
        meeting.happenings = happenings(&meeting);
        meeting
    }

    /// The lines of transcript, by time. `updates` is whether corrections are sent; without language detection Zoom
    /// sends none.
    pub fn transcript(&self, updates: bool) -> Vec<TranscriptLine> {
        transcript::lines(&self.utterances, self.options.transcript, updates)
    }

    /// What is said in a stretch of time, by start, as indices into [`Self::utterances`].
    pub(crate) fn said_between(&self, from_ms: u64, to_ms: u64) -> impl Iterator<Item = (usize, &Utterance)> {
        let begin = self.utterances.partition_point(|said| said.start_ms + LONGEST_UTTERANCE_MS < from_ms);
        let candidates = self.utterances.iter().enumerate().skip(begin);
        candidates.take_while(move |(_, said)| said.start_ms < to_ms).filter(move |(_, said)| said.end_ms > from_ms)
    }

    /// The first moment at or after this one at which somebody speaks.
    pub(crate) fn next_sound(&self, from_ms: u64) -> Option<u64> {
        self.said_between(from_ms, u64::MAX).next().map(|(_, said)| said.start_ms.max(from_ms))
    }

    /// When the next share starts, at or after this moment.
    pub(crate) fn next_share(&self, from_ms: u64) -> Option<u64> {
        self.shares.iter().map(|share| share.start_ms).find(|start_ms| *start_ms >= from_ms)
    }

    /// Who speaks or spoke last at that moment; before anybody has spoken, the first who is there.
    pub fn active_speaker(&self, at_ms: u64) -> Option<usize> {
        let begun = self.utterances.partition_point(|utterance| utterance.start_ms <= at_ms);
        let speakers = self.utterances.iter().take(begun).rev().map(|utterance| utterance.speaker);
        speakers
            .into_iter()
            .find(|speaker| self.participants.get(*speaker).is_some_and(|who| who.is_present(at_ms)))
            .or_else(|| self.participants.iter().position(|who| who.is_present(at_ms)))
    }

    /// Who shares at that moment.
    pub fn sharer(&self, at_ms: u64) -> Option<usize> {
        self.shares.iter().find(|share| (share.start_ms..share.end_ms).contains(&at_ms)).map(|share| share.sharer)
    }
}

fn cast(seed: &Seed, count: usize) -> Vec<&'static Speaker> {
    // The seed turns the ring of people; neighbours on it never speak one language.
    let start = usize::try_from(seed.fork("cast", 0).below(SPEAKERS.len() as u64)).unwrap_or(0);
    SPEAKERS.iter().cycle().skip(start).take(count).collect()
}

fn plan_participants(seed: &Seed, count: usize, duration_ms: u64) -> Vec<Participant> {
    cast(seed, count)
        .into_iter()
        .enumerate()
        .map(|(index, speaker)| {
            let mut chance = seed.fork("participant", index as u64);
            let round = index / SPEAKERS.len();
            let name = if round == 0 { speaker.name.to_owned() } else { format!("{} ({})", speaker.name, round + 1) };
            // The last of the cast always comes later and the one before leaves early, so that even the shortest
            // meeting has both.
            let comes_later = count > 1 && (index == count - 1 || index > 3 && chance.one_in(3));
            let leaves_early =
                count > 2 && index == count - 2 || count == 2 && index == 1 || index > 3 && chance.one_in(4);
            let part = |percent: u64| duration_ms * percent / 100 / GRID_MS * GRID_MS;
            Participant {
                // Numbers of the size and spacing that Zoom gives.
                user_id: UserId::from(16_778_240 + 1_024 * index as u64),
                name,
                language: speaker.language,
                voice: Voice::new(seed.fork("voice", index as u64)),
                joins_ms: if comes_later { part(chance.between(20, 35)) } else { 0 },
                leaves_ms: if leaves_early { part(chance.between(75, 85)) } else { duration_ms },
                camera: Vec::new(),
                camera_sizes: Vec::new(),
            }
        })
        .collect()
}

fn plan_speech(seed: &Seed, participants: &[Participant], cast: &[&Speaker], duration_ms: u64) -> Vec<Utterance> {
    let mut chance = seed.fork("speech", 0);
    let mut said = vec![0_usize; participants.len()];
    let mut utterances: Vec<Utterance> = Vec::new();
    let mut at_ms = 400;
    let mut last = None;
    // Nobody talks into the goodbye: a transcript line needs a moment to be written.
    while at_ms + 1_500 < duration_ms {
        let able: Vec<usize> = (0..participants.len())
            .filter(|index| {
                participants.get(*index).is_some_and(|who| who.is_present(at_ms) && who.leaves_ms > at_ms + 1_200)
            })
            .collect();
        let others: Vec<usize> = able.iter().copied().filter(|index| Some(*index) != last).collect();
        let Some(&speaker) = chance.pick(if others.is_empty() { &able } else { &others }) else {
            at_ms += 500;
            continue;
        };
        let (Some(who), Some(person), Some(count)) =
            (participants.get(speaker), cast.get(speaker), said.get_mut(speaker))
        else {
            break;
        };
        let offset = usize::try_from(seed.fork("lines", speaker as u64).below(person.lines.len() as u64)).unwrap_or(0);
        let text = person.lines.iter().cycle().nth(offset + *count % person.lines.len()).copied().unwrap_or_default();
        *count += 1;
        let wanted = 300 + phrases::syllables(text) * chance.between(150, 190);
        let last_moment = who.leaves_ms.min(duration_ms.saturating_sub(600));
        let start_ms = at_ms / GRID_MS * GRID_MS;
        let end_ms = (start_ms + wanted.clamp(900, LONGEST_UTTERANCE_MS)).min(last_moment) / GRID_MS * GRID_MS;
        utterances.push(Utterance { speaker, start_ms, end_ms, text: text.to_owned(), language: who.language });
        last = Some(speaker);
        // One in five is interrupted by the next; otherwise there is a moment of silence, now and then a long one.
        at_ms = match chance.below(10) {
            0 | 1 if end_ms > start_ms + 1_000 => end_ms - chance.between(100, 400),
            2 => end_ms + chance.between(1_000, 2_500),
            _ => end_ms + chance.between(150, 700),
        };
    }
    utterances
}

/// A short line at every full second.
fn beeps(duration_ms: u64) -> Vec<Utterance> {
    const BEEP_MS: u64 = 100;
    (0..duration_ms.saturating_sub(BEEP_MS).div_ceil(1000))
        .map(|second| Utterance {
            speaker: 0,
            start_ms: second * 1000,
            end_ms: second * 1000 + BEEP_MS,
            text: format!("beep {second}"),
            language: TranscriptLanguage::English,
        })
        .collect()
}

/// The first people speaking without a pause, as many as are asked for; nobody knows the words.
fn monologues(participants: &mut [Participant], speakers: usize, duration_ms: u64) -> Vec<Utterance> {
    const PIECE_MS: u64 = 4_000;
    let end_of_all = duration_ms / GRID_MS * GRID_MS;
    let mut utterances = Vec::new();
    for piece in 0..end_of_all.div_ceil(PIECE_MS) {
        let (start_ms, end_ms) = (piece * PIECE_MS, ((piece + 1) * PIECE_MS).min(end_of_all));
        for (speaker, who) in participants.iter_mut().enumerate().take(speakers) {
            (who.joins_ms, who.leaves_ms) = (0, duration_ms);
            utterances.push(Utterance { speaker, start_ms, end_ms, text: String::new(), language: who.language });
        }
    }
    utterances
}

fn plan_shares(seed: &Seed, participants: &[Participant], duration_ms: u64) -> Vec<Share> {
    let mut chance = seed.fork("share", 0);
    // In long meetings a share lasts minutes; a short one has a single share in its middle.
    let slots = (duration_ms / 300_000).clamp(1, 1_000);
    let slot_ms = duration_ms / slots;
    (0..slots)
        .filter_map(|slot| {
            let start_ms = slot * slot_ms + slot_ms * chance.between(30, 40) / 100;
            let end_ms = slot * slot_ms + slot_ms * chance.between(62, 72) / 100;
            let present: Vec<usize> = (0..participants.len())
                .filter(|index| {
                    participants.get(*index).is_some_and(|who| who.is_present(start_ms) && who.leaves_ms >= end_ms)
                })
                .collect();
            Some(Share { sharer: *chance.pick(&present)?, start_ms, end_ms })
        })
        .collect()
}

fn plan_cameras(seed: &Seed, participants: &mut [Participant], style: CameraStyle, duration_ms: u64) {
    for (index, who) in participants.iter_mut().enumerate() {
        who.camera_sizes = match style {
            CameraStyle::SteadySize => Vec::new(),
            CameraStyle::ChangingSizes => {
                // Not everybody's network is poor at once.
                let shift = index as u64 % 5 * 2;
                let part = |percent: u64| duration_ms * (percent + shift) / 100;
                vec![(0, MediaResolution::Hd), (part(30), MediaResolution::Sd), (part(60), MediaResolution::Hd)]
            }
        };
        let mut chance = seed.fork("camera", index as u64);
        let pause = (duration_ms * 45 / 100, duration_ms * 55 / 100);
        who.camera = if index == 1 && who.joins_ms < pause.0 && pause.1 < who.leaves_ms {
            // Somebody's camera is off for a while in the middle.
            vec![(who.joins_ms, pause.0), (pause.1, who.leaves_ms)]
        } else if index > 2 && chance.one_in(3) {
            Vec::new()
        } else {
            vec![(who.joins_ms, who.leaves_ms)]
        };
    }
}

fn happenings(meeting: &Meeting) -> Vec<Happening> {
    let Meeting { participants, utterances, shares, duration_ms, .. } = meeting;
    let mut all = Vec::new();
    for (index, who) in participants.iter().enumerate() {
        if who.joins_ms > 0 {
            all.push(Happening { at_ms: who.joins_ms, what: Change::Join(index) });
        }
        for (from, to) in &who.camera {
            if *from > 0 {
                all.push(Happening { at_ms: *from, what: Change::CameraOn(index) });
            }
            if to < duration_ms {
                all.push(Happening { at_ms: *to, what: Change::CameraOff(index) });
            }
        }
        if who.leaves_ms < *duration_ms {
            all.push(Happening { at_ms: who.leaves_ms, what: Change::Leave(index) });
        }
    }
    for share in shares {
        all.push(Happening { at_ms: share.start_ms, what: Change::SharingStart(share.sharer) });
        all.push(Happening { at_ms: share.end_ms, what: Change::SharingStop(share.sharer) });
    }
    let groups = meeting.group_changes.iter().enumerate();
    all.extend(groups.map(|(index, change)| Happening { at_ms: change.at_ms, what: Change::ChatGroup(index) }));
    let call = meeting.call.iter().enumerate();
    all.extend(call.map(|(index, step)| Happening { at_ms: step.at_ms, what: Change::Call(index) }));
    let mut active = None;
    for utterance in utterances {
        if active != Some(utterance.speaker) {
            active = Some(utterance.speaker);
            all.push(Happening { at_ms: utterance.start_ms, what: Change::ActiveSpeaker(utterance.speaker) });
        }
    }
    all.sort_by_key(|happening| (happening.at_ms, happening.what));
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn twenty_seconds_with_three_people_have_something_of_everything() {
        for seed in 0..200 {
            let meeting = Meeting::plan(&MeetingOptions { seed, ..MeetingOptions::default() });

            assert!(meeting.utterances.len() >= 4, "seed {seed}: {} utterances", meeting.utterances.len());
            let mut languages: Vec<_> = meeting.utterances.iter().map(|utterance| utterance.language).collect();
            languages.sort();
            languages.dedup();
            assert!(languages.len() >= 2, "seed {seed}: {languages:?}");
            assert!(meeting.participants.iter().any(|who| who.joins_ms > 0), "seed {seed}: nobody joins");
            assert!(
                meeting.participants.iter().any(|who| who.leaves_ms < meeting.duration_ms),
                "seed {seed}: nobody leaves"
            );
            assert!(!meeting.shares.is_empty(), "seed {seed}: no share");
            assert!(!meeting.chat.is_empty(), "seed {seed}: no chat");
        }
    }

    #[test]
    fn only_who_is_there_speaks_shares_and_writes() {
        for seed in 0..50 {
            let options = MeetingOptions {
                seed,
                participants: 9,
                duration: Duration::from_secs(600),
                ..MeetingOptions::default()
            };
            let meeting = Meeting::plan(&options);

            let there = |who: usize, at_ms| meeting.participants[who].is_present(at_ms);
            for said in &meeting.utterances {
                assert!(
                    said.start_ms < said.end_ms
                        && there(said.speaker, said.start_ms)
                        && there(said.speaker, said.end_ms - 1)
                );
                assert!(said.start_ms.is_multiple_of(GRID_MS) && said.end_ms.is_multiple_of(GRID_MS));
            }
            assert!(
                meeting
                    .shares
                    .iter()
                    .all(|share| there(share.sharer, share.start_ms) && there(share.sharer, share.end_ms - 1))
            );
            assert!(meeting.chat.iter().all(|line| there(line.author, line.at_ms)));
        }
    }

    #[test]
    fn when_all_talk_at_once_three_voices_never_pause() {
        let duration = Duration::from_secs(21);
        let scene = Scene::AllTalkAtOnce;
        let options = MeetingOptions { participants: 5, duration, scene, ..MeetingOptions::default() };
        let meeting = Meeting::plan(&options);

        for at_ms in (0..meeting.duration_ms).step_by(GRID_MS as usize) {
            let speakers = meeting.said_between(at_ms, at_ms + GRID_MS).map(|(_, said)| said.speaker);
            assert_eq!(speakers.collect::<Vec<_>>(), [0, 1, 2], "at {at_ms} ms");
            assert!(meeting.participants.iter().take(3).all(|who| who.is_present(at_ms)));
        }
        assert!(meeting.transcript(true).is_empty());
    }

    #[test]
    fn even_odd_options_make_a_meeting() {
        for (participants, millis) in [(0, 0), (1, 50), (1, 5_000), (2, 1_999), (300, 3_000)] {
            let options = MeetingOptions {
                seed: 1,
                participants,
                duration: Duration::from_millis(millis),
                ..MeetingOptions::default()
            };
            let meeting = Meeting::plan(&options);

            assert!(!meeting.participants.is_empty());
        }
    }
}
