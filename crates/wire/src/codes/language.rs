//! `RTMS_TRANSCRIPT_LANGUAGE`: what a transcript is in.

use crate::codes::open_enum::open_enum;

open_enum! {
    /// `language` of a transcript line and `src_language` of the parameters; −1 asks for pure detection. Basis: documented.
    TranscriptLanguage {
        None = -1, "LANGUAGE_ID_NONE";
        Arabic = 0, "LANGUAGE_ID_ARABIC";
        Bengali = 1, "LANGUAGE_ID_BENGALI";
        Cantonese = 2, "LANGUAGE_ID_CANTONESE";
        Catalan = 3, "LANGUAGE_ID_CATALAN";
        ChineseSimplified = 4, "LANGUAGE_ID_CHINESE_SIMPLIFIED";
        ChineseTraditional = 5, "LANGUAGE_ID_CHINESE_TRADITIONAL";
        Czech = 6, "LANGUAGE_ID_CZECH";
        Danish = 7, "LANGUAGE_ID_DANISH";
        Dutch = 8, "LANGUAGE_ID_DUTCH";
        English = 9, "LANGUAGE_ID_ENGLISH";
        Estonian = 10, "LANGUAGE_ID_ESTONIAN";
        Finnish = 11, "LANGUAGE_ID_FINNISH";
        FrenchCanada = 12, "LANGUAGE_ID_FRENCH_CANADA";
        FrenchFrance = 13, "LANGUAGE_ID_FRENCH_FRANCE";
        German = 14, "LANGUAGE_ID_GERMAN";
        Hebrew = 15, "LANGUAGE_ID_HEBREW";
        Hindi = 16, "LANGUAGE_ID_HINDI";
        Hungarian = 17, "LANGUAGE_ID_HUNGARIAN";
        Indonesian = 18, "LANGUAGE_ID_INDONESIAN";
        Italian = 19, "LANGUAGE_ID_ITALIAN";
        Japanese = 20, "LANGUAGE_ID_JAPANESE";
        Korean = 21, "LANGUAGE_ID_KOREAN";
        Malay = 22, "LANGUAGE_ID_MALAY";
        Persian = 23, "LANGUAGE_ID_PERSIAN";
        Polish = 24, "LANGUAGE_ID_POLISH";
        Portuguese = 25, "LANGUAGE_ID_PORTUGUESE";
        Romanian = 26, "LANGUAGE_ID_ROMANIAN";
        Russian = 27, "LANGUAGE_ID_RUSSIAN";
        Spanish = 28, "LANGUAGE_ID_SPANISH";
        Swedish = 29, "LANGUAGE_ID_SWEDISH";
        Tagalog = 30, "LANGUAGE_ID_TAGALOG";
        Tamil = 31, "LANGUAGE_ID_TAMIL";
        Telugu = 32, "LANGUAGE_ID_TELUGU";
        Thai = 33, "LANGUAGE_ID_THAI";
        Turkish = 34, "LANGUAGE_ID_TURKISH";
        Ukrainian = 35, "LANGUAGE_ID_UKRAINIAN";
        Vietnamese = 36, "LANGUAGE_ID_VIETNAMESE";
    }
}
