#!/bin/sh
# Makes the H.264 films of this directory; README.md says what they are. Needs ffmpeg with libx264 and a font (FONT=/path/to.ttf).
# The films are committed, so nobody has to run this to build.
set -eu
cd "$(dirname "$0")"
FONT=${FONT:-/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf}

film() { # name, source filter, pictures, quality (higher is smaller)
    ffmpeg -hide_banner -loglevel error -y -f lavfi -i "$2" -frames:v "$3" -an -pix_fmt yuv420p \
        -c:v libx264 -profile:v main -preset veryslow -crf "$4" -bf 0 -threads 1 \
        -x264-params "keyint=600:min-keyint=600:scenecut=0:slices=1:aud=1:annexb=1:repeat-headers=1:sei=0" \
        -bsf:v "filter_units=remove_types=6" -f h264 "$1"
}

# Somebody at a camera: a colour and a letter to tell people apart, the number of the picture, a bar that moves.
person() { # letter, colour
    for size in 640x360 1280x720; do
        h=${size#*x}
        film "person_$1_$size.h264" "color=$2:size=$size:rate=30[paper];color=white:size=$((h / 9))x8:rate=30[bar];\
[paper][bar]overlay=x='mod(n*W/60,W)':y=H-12:shortest=1,\
drawtext=fontfile=$FONT:text='$1':fontcolor=white:fontsize=$((h * 6 / 10)):x=(w-text_w)/2:y=(h-text_h)/2-$((h / 12)),\
drawtext=fontfile=$FONT:text='%{n}':fontcolor=white:fontsize=$((h / 8)):x=w-$((h / 3)):y=h-$((h / 5))" 60 34
    done
}
person a 0x2050a0
person b 0x963246
person c 0x1e7850
person d 0x784696

# A shared screen: the title of a slide and the number of the picture.
film slides_1280x720.h264 "color=0xfaf8f0:size=1280x720:rate=30[paper];color=0x2050a0:size=60x60:rate=30[box];\
[paper][box]overlay=x='mod(n*8,1200)':y=620:shortest=1,\
drawtext=fontfile=$FONT:text='Slide':fontcolor=0x1e1e28:fontsize=160:x=80:y=80,\
drawtext=fontfile=$FONT:text='picture %{n}':fontcolor=0x787882:fontsize=80:x=80:y=320" 60 32

# The marks to measure sync by: one second that begins with a white picture, and one without.
for size in 640x360 1280x720; do
    number="drawtext=fontfile=$FONT:text='%{n}':fontcolor=gray:fontsize=${size#*x}/4:x=(w-text_w)/2:y=(h-text_h)/2"
    film "dark_$size.h264" "color=black:size=$size:rate=30,$number" 30 34
    film "flash_$size.h264" "color=black:size=$size:rate=30,$number,drawbox=color=white:t=fill:enable='eq(n,0)'" 30 34
done
ls -l ./*.h264
