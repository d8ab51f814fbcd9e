#!/bin/sh
# Makes the H.264 clips of this directory: Annex B, an access unit delimiter before every picture, one IDR picture first,
# no B pictures, one slice a picture. The simulator plays a clip from its key frame for about two seconds, then starts it again.
# Needs ffmpeg with libx264. The clips are committed, so nobody has to run this to build.
set -eu
cd "$(dirname "$0")"

clip() { # name, source filter, quality (higher is smaller)
    ffmpeg -hide_banner -loglevel error -y -f lavfi -i "$2" -frames:v 60 -an -pix_fmt yuv420p \
        -c:v libx264 -profile:v main -preset veryslow -crf "$3" -bf 0 -threads 1 \
        -x264-params "keyint=600:min-keyint=600:scenecut=0:slices=1:aud=1:annexb=1:repeat-headers=1:sei=0" \
        -bsf:v "filter_units=remove_types=6" -f h264 "$1"
}

clip speaker_640x360.h264 "testsrc=size=640x360:rate=30" 34
clip speaker_1280x720.h264 "testsrc2=size=1280x720:rate=30" 42
clip slides_1280x720.h264 "smptehdbars=size=1280x720:rate=30[bars];color=white:size=60x60:rate=30[box];[bars][box]overlay=x='mod(n*8\,1200)':y=560:shortest=1" 34
ls -l ./*.h264
