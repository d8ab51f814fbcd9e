//! The enumerations of media parameters: content, codec, rate, channels, resolution, data option.

use crate::codes::open_enum::open_enum;

open_enum! {
    /// `content_type` of media parameters. Basis: documented.
    MediaContentType {
        Undefined = 0, "UNDEFINED";
        Rtp = 1, "RTP";
        RawAudio = 2, "RAW_AUDIO";
        RawVideo = 3, "RAW_VIDEO";
        FileStream = 4, "FILE_STREAM";
        Text = 5, "TEXT";
    }
}

open_enum! {
    /// `codec` of media parameters. Basis: documented.
    MediaPayloadType {
        Undefined = 0, "UNDEFINED";
        L16 = 1, "L16";
        G711 = 2, "G711";
        G722 = 3, "G722";
        Opus = 4, "OPUS";
        Jpg = 5, "JPG";
        Png = 6, "PNG";
        H264 = 7, "H264";
    }
}

open_enum! {
    /// `data_opt` of media parameters. Basis: documented (1 to 4), old lists (5).
    MediaDataOption {
        Undefined = 0, "UNDEFINED";
        AudioMixedStream = 1, "AUDIO_MIXED_STREAM";
        AudioMultiStreams = 2, "AUDIO_MULTI_STREAMS";
        VideoSingleActiveStream = 3, "VIDEO_SINGLE_ACTIVE_STREAM";
        VideoSingleIndividualStream = 4, "VIDEO_SINGLE_INDIVIDUAL_STREAM";
        VideoMixedGalleryView = 5, "VIDEO_MIXED_GALLERY_VIEW";
    }
}

open_enum! {
    /// `resolution` of video and deskshare: SD 854×480 or 640×360, HD 1280×720, FHD 1920×1080, QHD 2560×1440. Basis: documented.
    MediaResolution {
        Sd = 1, "SD";
        Hd = 2, "HD";
        Fhd = 3, "FHD";
        Qhd = 4, "QHD";
    }
}

open_enum! {
    /// `sample_rate` of audio: an enumeration, not hertz, and 0 is valid. Basis: documented.
    AudioSampleRate {
        Khz8 = 0, "SR_8K";
        Khz16 = 1, "SR_16K";
        Khz32 = 2, "SR_32K";
        Khz48 = 3, "SR_48K";
    }
}

open_enum! {
    /// `channel` of audio. Basis: documented.
    AudioChannel {
        Mono = 1, "MONO";
        Stereo = 2, "STEREO";
    }
}

open_enum! {
    /// `attribute` of media data, in practice of transcripts. Basis: documented.
    DataMessageAttribute {
        None = 0, "ATTR_NONE";
        New = 1, "ATTR_NEW";
        Update = 2, "ATTR_UPDATE";
        Delete = 3, "ATTR_DELETE";
    }
}
