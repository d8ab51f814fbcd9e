//! What is written in the meeting.

use rtms_wire::codes::chat::ChatOperation;

use crate::{
    meeting::{groups::GroupChange, options::ChatStyle, participant::Participant},
    seed::Seed,
    source::phrases::CHAT_LINES,
};

/// Somebody writing, changing or removing a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatLine {
    /// Who, as an index into [`Meeting::participants`](crate::meeting::Meeting::participants).
    pub author: usize,
    /// When it happens, in milliseconds since the stream started.
    pub at_ms: u64,
    /// What is done to the message.
    pub operation: ChatOperation,
    /// The words; nothing when a message is deleted, the emoji of a reaction.
    pub text: String,
    /// How it is put on the wire.
    pub form: ChatForm,
    /// Which message it is, or is about. Only the forms with fields carry it.
    pub message_id: String,
    /// What it replies to.
    pub parent_message_id: Option<String>,
    /// Who can read it.
    pub audience: Audience,
    /// What is attached.
    pub files: Vec<ChatFile>,
    /// Which attachments are removed.
    pub deleted_files: Vec<String>,
}

/// The forms of a chat message that were seen or are tolerated; `websocket.md` §11.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatForm {
    /// Words and time alone, without an author.
    Bare,
    /// Words with their author.
    Words,
    /// `data` is JSON text with the fields in it.
    JsonText,
    /// `data` is an object with the fields in it.
    Object,
    /// `data` is the words, the fields stand beside it.
    Beside,
}

impl ChatForm {
    /// Whether the message's id and the other fields are sent.
    pub fn has_fields(self) -> bool {
        matches!(self, Self::JsonText | Self::Object | Self::Beside)
    }
}

/// Who can read a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody in the meeting.
    Everyone,
    /// One person, as an index into the participants.
    Person(usize),
    /// One person, and the hosts and panelists of a webinar.
    PersonAndHosts(usize),
    /// The members of a chat group, by its id.
    Group(String),
    /// The hosts and panelists of a webinar.
    HostsAndPanelists,
}

/// A file in the chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatFile {
    /// What later operations refer to.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How large it is.
    pub size_bytes: u64,
}

impl ChatLine {
    fn new(index: usize, author: usize, at_ms: u64, text: &str, form: ChatForm) -> Self {
        Self {
            author,
            at_ms,
            operation: ChatOperation::New,
            text: text.to_owned(),
            form,
            message_id: format!("msg-{index:04}"),
            parent_message_id: None,
            audience: Audience::Everyone,
            files: Vec::new(),
            deleted_files: Vec::new(),
        }
    }
}

/// What is written when.
pub(super) fn plan(
    seed: &Seed,
    style: ChatStyle,
    participants: &[Participant],
    groups: &[GroupChange],
    duration_ms: u64,
) -> Vec<ChatLine> {
    let mut chance = seed.fork("chat", 0);
    let mut story = Story::default();
    let mut at_ms = match style {
        ChatStyle::TwoForms => duration_ms / 5,
        // The chat group is there by then.
        ChatStyle::EveryForm => duration_ms * 2 / 5,
    };
    while at_ms + 500 < duration_ms {
        let present: Vec<usize> = (0..participants.len())
            .filter(|index| participants.get(*index).is_some_and(|who| who.is_present(at_ms)))
            .collect();
        if let (Some(&author), Some(text)) = (chance.pick(&present), chance.pick(CHAT_LINES)) {
            match style {
                ChatStyle::TwoForms => story.take_turns(author, at_ms, text),
                ChatStyle::EveryForm => {
                    let other = present.iter().copied().find(|index| *index != author);
                    let group = GroupChange::open_at(groups, at_ms);
                    story.go_on(author, other, &present, group, at_ms, text);
                }
            }
        }
        at_ms += match style {
            // One of everything comes soon, so that short meetings have it too.
            ChatStyle::EveryForm if story.lines.len() < Story::STEPS => chance.between(350, 900),
            ChatStyle::EveryForm | ChatStyle::TwoForms => chance.between(4_000, 15_000),
        };
    }
    story.lines
}

/// What was written so far, to refer to.
#[derive(Default)]
struct Story {
    lines: Vec<ChatLine>,
    /// Lines that others can refer to, as indices into `lines`.
    known: Vec<usize>,
    with_file: Option<usize>,
    reaction: Option<usize>,
}

impl Story {
    /// After so many lines everything has been there once.
    const STEPS: usize = 16;

    fn take_turns(&mut self, author: usize, at_ms: u64, text: &str) {
        let index = self.lines.len();
        let form = if index.is_multiple_of(2) { ChatForm::Words } else { ChatForm::JsonText };
        self.lines.push(ChatLine::new(index, author, at_ms, text, form));
    }

    /// The next step of a story in which everything comes up that chat can do.
    fn go_on(
        &mut self,
        author: usize,
        other: Option<usize>,
        present: &[usize],
        group: Option<&str>,
        at_ms: u64,
        text: &str,
    ) {
        let index = self.lines.len();
        let new = |form| ChatLine::new(index, author, at_ms, text, form);
        let to = |audience: Option<Audience>, form| ChatLine {
            audience: audience.unwrap_or(Audience::Everyone),
            ..ChatLine::new(index, author, at_ms, text, form)
        };
        let line = match index % Self::STEPS {
            0 => new(ChatForm::Words),
            1 => {
                let file = ChatFile {
                    id: format!("file-{index:04}"),
                    name: "agenda \"Q3\".pdf".to_owned(),
                    size_bytes: 48_213 + index as u64,
                };
                self.with_file = Some(index);
                ChatLine { files: vec![file], ..new(ChatForm::JsonText) }
            }
            2 => new(ChatForm::Object),
            3 => to(group.map(|id| Audience::Group(id.to_owned())), ChatForm::Object),
            4 => to(other.map(Audience::Person), ChatForm::JsonText),
            5 => self.react(new(ChatForm::JsonText)),
            6 => self.change(new(ChatForm::JsonText), present),
            7 => self.reply(new(ChatForm::Beside)),
            8 => self.take_reaction_back(new(ChatForm::JsonText), present),
            9 => new(ChatForm::Bare),
            10 => self.delete_file_message(new(ChatForm::JsonText), present),
            11 => ChatLine { text: "{\"data\":\"not ours\",\"n\":1}".to_owned(), ..new(ChatForm::Words) },
            12 => to(Some(Audience::HostsAndPanelists), ChatForm::JsonText),
            13 => self.reply(new(ChatForm::Object)),
            14 => to(other.map(Audience::PersonAndHosts), ChatForm::Beside),
            _ => self.change(new(ChatForm::Beside), present),
        };
        if line.operation == ChatOperation::New && line.form.has_fields() {
            self.known.push(index);
        }
        self.lines.push(line);
    }

    fn reply(&self, line: ChatLine) -> ChatLine {
        let parent = self.known.first().and_then(|index| self.lines.get(*index));
        ChatLine { parent_message_id: parent.map(|parent| parent.message_id.clone()), ..line }
    }

    fn react(&mut self, line: ChatLine) -> ChatLine {
        let Some(about) = self.known.last().and_then(|index| self.lines.get(*index)) else { return line };
        self.reaction = Some(self.lines.len());
        ChatLine {
            operation: ChatOperation::AddEmojiReaction,
            text: "👏".to_owned(),
            message_id: about.message_id.clone(),
            audience: about.audience.clone(),
            ..line
        }
    }

    fn take_reaction_back(&mut self, line: ChatLine, present: &[usize]) -> ChatLine {
        let reaction = self.reaction.take().and_then(|index| self.lines.get(index));
        match reaction.filter(|reaction| present.contains(&reaction.author)) {
            Some(reaction) => ChatLine {
                operation: ChatOperation::RemoveEmojiReaction,
                at_ms: line.at_ms,
                form: line.form,
                ..reaction.clone()
            },
            None => line,
        }
    }

    /// Only who wrote a message changes it.
    fn change(&self, line: ChatLine, present: &[usize]) -> ChatLine {
        let mine = self.known.iter().rev().filter_map(|index| self.lines.get(*index));
        match mine.into_iter().find(|about| present.contains(&about.author)) {
            Some(about) => ChatLine {
                operation: ChatOperation::Update,
                at_ms: line.at_ms,
                form: line.form,
                text: format!("{} (corrected)", about.text),
                ..about.clone()
            },
            None => line,
        }
    }

    fn delete_file_message(&mut self, line: ChatLine, present: &[usize]) -> ChatLine {
        let Some(index) = self.with_file.take() else { return line };
        let Some(about) = self.lines.get(index).filter(|about| present.contains(&about.author)) else { return line };
        self.known.retain(|known| *known != index);
        ChatLine {
            operation: ChatOperation::Delete,
            at_ms: line.at_ms,
            form: line.form,
            text: String::new(),
            files: Vec::new(),
            deleted_files: about.files.iter().map(|file| file.id.clone()).collect(),
            ..about.clone()
        }
    }
}
