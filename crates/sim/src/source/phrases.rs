//! Who can be in a meeting and what they say, each in a language of their own.

use rtms_wire::codes::language::TranscriptLanguage;

/// Somebody who may be in a meeting: a name as Zoom shows it, a language, and some things to say in it.
#[derive(Clone, Copy, Debug)]
pub struct Speaker {
    /// The display name, in the script of its language.
    pub name: &'static str,
    /// What they speak.
    pub language: TranscriptLanguage,
    /// What they say.
    pub lines: &'static [&'static str],
}

/// Everybody there is. Neighbours differ in language and often in script, so that even two people are a test of text
/// handling.
pub const SPEAKERS: &[Speaker] = &[
    Speaker {
        name: "Ines Okafor",
        language: TranscriptLanguage::English,
        lines: &[
            "Let us lock the rollout date today.",
            "I can share the numbers from last week, they look better than we feared.",
            "Who owns the follow-up with the customer?",
            "That is fine by me, as long as we test it first.",
            "Can everybody see my screen?",
            "We said \"no surprises\" & we meant it.",
            "I'll write that down and send it round after the call.",
        ],
    },
    Speaker {
        name: "田中 美咲",
        language: TranscriptLanguage::Japanese,
        lines: &[
            "おはようございます。よろしくお願いします。",
            "資料は共有フォルダーに入れておきました。",
            "来週の火曜日までに確認します。",
            "すみません、もう一度言っていただけますか。",
            "その案で進めましょう。",
            "東京のチームにも伝えておきます。",
        ],
    },
    Speaker {
        name: "Фёдор Климов",
        language: TranscriptLanguage::Russian,
        lines: &[
            "Я проверил журналы, ошибок больше нет.",
            "Давайте вернёмся к этому вопросу завтра.",
            "Нагрузка выросла вдвое, но всё работает.",
            "Мне нужно ещё два дня.",
            "Кто-нибудь видел последнее письмо?",
            "Хорошо, тогда договорились.",
        ],
    },
    Speaker {
        name: "ليلى حداد",
        language: TranscriptLanguage::Arabic,
        lines: &[
            "صباح الخير جميعًا، هل تسمعونني؟",
            "أرسلت التقرير مساء أمس.",
            "نحتاج إلى موافقة الفريق القانوني أولًا.",
            "هذا ممكن خلال أسبوعين.",
            "شكرًا، سأتابع الموضوع.",
        ],
    },
    Speaker {
        name: "Zoë Brückner",
        language: TranscriptLanguage::German,
        lines: &[
            "Schön, dass ihr alle da seid.",
            "Die Prüfung läuft noch, aber es sieht gut aus.",
            "Können wir das bitte größer anzeigen?",
            "Ich übernehme die Rückfragen zu den Verträgen.",
            "Das müssen wir vor Freitag klären.",
            "Einverstanden, machen wir so.",
        ],
    },
    Speaker {
        name: "김서연",
        language: TranscriptLanguage::Korean,
        lines: &[
            "안녕하세요, 잘 들리시나요?",
            "회의록은 제가 정리하겠습니다.",
            "다음 주에 다시 이야기합시다.",
            "예산은 이미 승인되었습니다.",
            "네, 그렇게 진행하겠습니다.",
        ],
    },
    Speaker {
        name: "José Álvarez",
        language: TranscriptLanguage::Spanish,
        lines: &[
            "¿Me oyen bien? Perfecto, empecemos.",
            "El cliente pidió una demostración para mañana.",
            "Todavía falta la firma del señor Muñoz.",
            "Creo que podemos hacerlo en dos días.",
            "¡Qué buena noticia!",
            "Lo reviso y les aviso esta tarde.",
        ],
    },
    Speaker {
        name: "अनन्या शर्मा",
        language: TranscriptLanguage::Hindi,
        lines: &[
            "नमस्ते, क्या मेरी आवाज़ आ रही है?",
            "मैंने नया मसौदा भेज दिया है।",
            "इस पर कल तक निर्णय ले लेते हैं।",
            "ठीक है, मैं देख लूँगी।",
            "हमें थोड़ा और समय चाहिए।",
        ],
    },
    Speaker {
        name: "Ana Conceição",
        language: TranscriptLanguage::Portuguese,
        lines: &[
            "Bom dia, desculpem o atraso.",
            "A versão nova já está no ar.",
            "Não há mais questões em aberto?",
            "Vamos começar pela segunda página.",
            "Combinado, falo com a equipa amanhã.",
        ],
    },
    Speaker {
        name: "王小明",
        language: TranscriptLanguage::ChineseSimplified,
        lines: &[
            "大家好，我们开始吧。",
            "上个季度的数据已经更新了。",
            "这个问题下次会议再讨论。",
            "我同意，先做一个小范围测试。",
            "文件我稍后发给大家。",
        ],
    },
    Speaker {
        name: "Élodie Lefèvre",
        language: TranscriptLanguage::FrenchFrance,
        lines: &[
            "Bonjour à tous, on m'entend bien ?",
            "J'ai relu le contrat, tout est en règle.",
            "Où en est-on avec les délais ?",
            "C'est noté, je m'en occupe dès demain.",
            "Ça me paraît très bien.",
        ],
    },
    Speaker {
        name: "Олена Шевченко",
        language: TranscriptLanguage::Ukrainian,
        lines: &[
            "Доброго дня, я вже на зв'язку.",
            "Їхня відповідь прийшла щойно.",
            "Потрібно ще раз перевірити розрахунки.",
            "Гаразд, надішлю до вечора.",
        ],
    },
    Speaker {
        name: "Đặng Thị Mai",
        language: TranscriptLanguage::Vietnamese,
        lines: &[
            "Xin chào, mọi người nghe rõ không ạ?",
            "Bản kế hoạch đã được duyệt rồi.",
            "Tôi sẽ gửi lại vào chiều nay.",
            "Chúng ta nên làm từng bước một.",
        ],
    },
    Speaker {
        name: "נועה לוי",
        language: TranscriptLanguage::Hebrew,
        lines: &["בוקר טוב, אפשר להתחיל.", "הבדיקות עברו בהצלחה.", "אני אחזור אליכם מחר.", "מצוין, תודה רבה."],
    },
];

/// What is written in the chat, whoever writes it.
pub const CHAT_LINES: &[&str] = &[
    "link is in the invite",
    "👍",
    "brb, door 🚪",
    "議事録はここです → https://example.com/notes?id=7&lang=ja",
    "{\"not\":\"a chat object\"}",
    "Grüße aus Köln!",
    "can you zoom in a bit?",
    "+1 to what was just said",
];

/// Roughly how many syllables a line has: enough to pace the voice that says it.
pub fn syllables(line: &str) -> u64 {
    line.chars()
        .map(|character| match character {
            // A letter of these scripts is about a syllable; of the others it takes two or three.
            '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' => 5,
            letter if letter.is_alphabetic() => 2,
            _ => 0,
        })
        .sum::<u64>()
        .div_ceil(5)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_languages_or_more_are_spoken_and_neighbours_differ() {
        let mut languages: Vec<_> = SPEAKERS.iter().map(|speaker| speaker.language).collect();
        languages.dedup();
        assert_eq!(languages.len(), SPEAKERS.len());
        languages.sort();
        languages.dedup();
        assert!(languages.len() >= 8);
    }

    #[test]
    fn a_longer_line_has_more_syllables() {
        assert_eq!(syllables("そう"), 2);
        assert!(syllables("Können wir das bitte größer anzeigen?") > 8);
    }
}
