# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Whether an audio file is all there. libsndfile reads what is left of a file that was cut off, as after an interrupted
copy, without a word, but for FLAC and a few others.

What is compared is the length that a file's own header, or its frames, ask for: of WAV (RIFF, RF64), W64, AIFF, 8SVX,
CAF, AU, NIST, VOC, AVR, MAT4, MAT5, MPC2K, WVE, XI, Ogg and MP3. A length that programs write which cannot know it
yet, because they write to a pipe, says nothing; and PAF, PVF and IRCAM files have none.
"""

import os
import re


# Bytes that may be missing: headers are sometimes off by their own padding.
TOLERANCE = 8
# From here on a length of 32 bits is a placeholder: SoX writes 0x7FFFF000 or 0x7F000000, others 0xFFFFFFFF.
PLACEHOLDER = 0x7F000000

# Kilobits a second and samples a second by their indices in an MP3 frame's header; of MPEG 1 and of MPEG 2 and 2.5.
_KBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)


def missing_bytes(file):
    r"""
    How much shorter a file is than it says, and how its header is to be read where a writer left 0 as its length.

    Args:
        file (binary file): Open; it is wound back.

    Returns:
        `tuple[int, list[tuple[int, int, bytes]]]`:
            Bytes that are missing, 0 in a whole file and where nothing says how long it should be; and what has to
            change for libsndfile to read all of it: places, how many bytes are replaced there, and by which.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(64)
    end, repairs = None, []
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        end, repairs = _riff(file, length, "big" if head[:4] == b"RIFX" else "little")
    elif head[:4] == b"FORM":
        end = _chunks(file, length, 12, b"SSND" if head[8:11] == b"AIF" else b"BODY", "big")
    elif head[:4] == b"riff":
        end = _w64(file, length)
    elif head[:4] == b"caff":
        end = _caf(file, length)
    elif head[:4] in (b".snd", b"dns."):
        end, repairs = _au(head, length)
    elif head[:7] == b"NIST_1A":
        end = _nist(file)
    elif head[:20] == b"Creative Voice File\x1a":
        end = _voc(file, length)
    elif head[:4] == b"2BIT":
        end = _avr(head)
    elif head[:4] in (bytes(4), b"\0\0\x03\xe8"):
        end = _mat4(file, length, "little" if head[:4] == bytes(4) else "big")
    elif head[:10] == b"MATLAB 5.0":
        end = _mat5(file, length)
    elif head[:2] == b"\x01\x04":
        end = 42 + 2 * (1 + head[21]) * int.from_bytes(head[30:34], "little")
    elif head[:15] == b"ALawSoundFile**":
        end = 32 + int.from_bytes(head[18:22], "big")
    elif head[:21] == b"Extended Instrument: ":
        end = _xi(file)
    elif head[:4] == b"OggS":
        end = _ogg(file, length)
    elif _is_mp3(head):
        end, repairs = _mp3(file, length)
    file.seek(0)
    missing = 0 if end is None else end - length
    return (missing if missing > TOLERANCE else 0), repairs


def is_mp3(file):
    r"""Whether a binary file begins as MP3 does; it is wound back."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    return _is_mp3(head)


def _is_mp3(head):
    return head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0)


def chunks_of(file, length, place, order="little"):
    r"""
    The chunks of a file.

    Args:
        file (binary file): Open.
        length (`int`): Where they end.
        place (`int`): Where the first one begins.
        order (`str`, defaults to `"little"`): How whole numbers are written, or `"big"`.

    Yields:
        `tuple[bytes, int, int]`: Name, place of its content, and length.
    """
    while place + 8 <= length:
        file.seek(place)
        name, size = file.read(4), int.from_bytes(file.read(4), order)
        yield name, place + 8, size
        place += 8 + size + size % 2


def _chunks(file, length, place, wanted, order):
    for name, begin, size in chunks_of(file, length, place, order):
        if name == wanted:
            return begin + size if 0 < size < PLACEHOLDER else None
    return None


def _riff(file, length, order):
    long_sizes = None
    for name, begin, size in chunks_of(file, length, 12, order):
        if name == b"ds64":
            file.seek(begin + 8)
            long_sizes = begin + 8, int.from_bytes(file.read(8), order)
        if name != b"data":
            continue
        place = begin - 4
        if long_sizes is not None and size == 2**32 - 1:
            place, size = long_sizes
            if not 0 <= size < 2**62:
                size = 0
        elif size >= PLACEHOLDER and long_sizes is None:
            return None, []
        if size == 0 and length > begin and not _ends_in_chunks(file, begin, length, order):
            width = 4 if place == begin - 4 else 8
            return None, [(place, width, (length - begin).to_bytes(width, order))]
        return begin + size, []
    return None, []


def _ends_in_chunks(file, place, length, order):
    """Whether chunks follow up to the end of the file, so that the one before is really empty."""
    end = place
    for name, begin, size in chunks_of(file, length, place, order):
        if not name.isascii() or not name.decode("ascii").isprintable():
            return False
        end = begin + size
    return abs(end - length) <= 1


def _w64(file, length):
    place = 40
    while place + 24 <= length:
        file.seek(place)
        name, size = file.read(16), int.from_bytes(file.read(8), "little")
        if name[:4] == b"data":
            return place + size if 24 < size < 2**62 else None
        place += max(24, size + -size % 8)
    return None


def _caf(file, length):
    place = 8
    while place + 12 <= length:
        file.seek(place)
        name, size = file.read(4), int.from_bytes(file.read(8), "big", signed=True)
        if name == b"data":
            return place + 12 + size if size > 0 else None
        place += 12 + max(0, size)
    return None


def _au(head, length):
    order = "big" if head[:4] == b".snd" else "little"
    begin, size = int.from_bytes(head[4:8], order), int.from_bytes(head[8:12], order)
    if size == 0 and length > begin:
        return None, [(8, 4, b"\xff" * 4)]
    return (None if size >= PLACEHOLDER else begin + size), []


def _nist(file):
    file.seek(8)
    try:
        begin = int(file.read(8))
        file.seek(0)
        fields = dict(re.findall(rb"(\w+) -(?:i|s\d+) (\d+)", file.read(min(begin, 65536))))
        return begin + int(fields[b"sample_count"]) * int(fields[b"channel_count"]) * int(fields[b"sample_n_bytes"])
    except (ValueError, KeyError):
        return None


def _voc(file, length):
    file.seek(20)
    place = int.from_bytes(file.read(2), "little")
    while place < length:
        file.seek(place)
        kind, size = file.read(1), int.from_bytes(file.read(3), "little")
        if kind == b"\0":
            return None
        place += 4 + size
    return place


def _avr(head):
    channels = 2 if head[12:14] == b"\xff\xff" else 1
    width = -(-int.from_bytes(head[14:16], "big") // 8)
    return 128 + width * channels * int.from_bytes(head[26:30], "big")


def _mat4(file, length, order):
    """The end of the last matrix; each says its type, its size and how long its name is."""
    place = 0
    while place + 20 <= length:
        file.seek(place)
        kind, rows, columns, is_complex, name = (int.from_bytes(file.read(4), order) for _ in range(5))
        width = {0: 8, 1: 4, 2: 4, 3: 2, 4: 2, 5: 1}.get(kind // 10 % 10)
        if width is None or is_complex > 1 or not 0 < name < 64:
            return None
        place += 20 + name + width * rows * columns * (1 + is_complex)
    return place


def _mat5(file, length):
    file.seek(126)
    order, place = "little" if file.read(2) == b"IM" else "big", 128
    while place + 8 <= length:
        file.seek(place)
        kind, size = int.from_bytes(file.read(4), order), int.from_bytes(file.read(4), order)
        if kind not in (14, 15):  # a matrix, as it is or packed
            return None
        place += 8 + size
    return place


def _xi(file):
    """The lengths of the samples stand in their headers, behind the one of the instrument. libsndfile writes none."""
    file.seek(296)
    count = int.from_bytes(file.read(2), "little")
    headers = [file.read(40) for _ in range(min(count, 256))]
    return 298 + 40 * count + sum(int.from_bytes(header[:4], "little") for header in headers)


def _ogg(file, length):
    """The end of the last page; a stream whose last page does not say that it is the last goes on."""
    place, is_last = 0, False
    while place + 27 <= length:
        file.seek(place)
        head = file.read(27)
        if head[:4] != b"OggS":
            break
        is_last = bool(head[5] & 4)
        segments = file.read(head[26])
        place += 27 + len(segments) + sum(segments)
        if len(segments) < head[26]:
            return length + TOLERANCE + 1
    if place > length:
        return place
    return None if is_last else length + TOLERANCE + 1


def _mp3(file, length):
    """
    The end of the last frame, or of what the first one says of the others. Where none does and their bit rates differ,
    libsndfile takes all to have the first one's, and reads too little: a frame that counts them is put before them.
    """
    file.seek(0)
    head = file.read(10)
    place = 0
    if head[:3] == b"ID3":
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte & 0x7F
        place = 10 + size + (10 if head[5] & 0x10 else 0)
    first, has_index, bit_rates, count = place, False, set(), 0
    while place + 4 <= length:
        file.seek(place)
        header = file.read(4)
        size = _frame_length(header)
        if size is None:
            break  # tags, or what else stands behind the sound
        if place == first:
            first_header, frame = header, file.read(min(size, 60))
            found = re.search(rb"(?:Xing|Info)\0\0\0([\x00-\x0f])(.{8})", frame, re.DOTALL)
            has_index = found is not None or b"VBRI" in frame
            if found and found[1][0] & 3 == 3:
                told = int.from_bytes(found[2][4:], "big")
                # Encoders count with or without the frame that says so, or a tag of 128 bytes behind the sound.
                if first + told > length + size + 128:
                    return first + told, []
        bit_rates.add(header[2] >> 4)
        count += 1
        place += size
    if place > length:
        return place, []
    return None, [] if has_index or len(bit_rates) < 2 else [(first, 0, _index_frame(first_header, count))]


def _index_frame(header, count):
    """A silent frame like others that says how many follow it (Xing's header)."""
    header = bytes((header[0], header[1] | 1, 8 << 4 | header[2] & 0x0C, header[3]))
    is_first, is_mono = header[1] >> 3 & 3 == 3, header[3] >> 6 == 3
    side_information = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}[is_first, is_mono]
    frame = header + bytes(side_information) + b"Xing" + (1).to_bytes(4, "big") + count.to_bytes(4, "big")
    return frame.ljust(_frame_length(header), b"\0")


def _frame_length(header):
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer, protection = header[1] >> 3 & 3, header[1] >> 1 & 3, header[2]
    bitrate, rate = protection >> 4, protection >> 2 & 3
    if version == 1 or layer != 1 or bitrate in (0, 15) or rate == 3:
        return None
    is_first = version == 3
    samples_per_second = _RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    return (144 if is_first else 72) * 1000 * _KBITS[is_first][bitrate] // samples_per_second + (header[2] >> 1 & 1)
