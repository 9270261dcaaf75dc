// UTF-8 one character at a time (RFC 3629), for texts of unknown origin.
#ifndef QE_BASE_UTF8_H
#define QE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Looks at the character that starts at `at`; `left` ≥ 1 bytes may be read. True where it is well-formed; *size is then
// its length. Otherwise *size is how many bytes to take for one mistake: the longest start of a well-formed character,
// at least one byte (the practice of Unicode §3.9, "maximal subparts"), so that a decoder resynchronises at once.
static inline bool qe_utf8_next(const uint8_t *at, size_t left, size_t *size)
{
    uint8_t first = at[0];
    size_t length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    *size = 1;
    if (length == 1) return true;
    if (first < 0xc2 || first > 0xf4) return false; // a continuation, an overlong form, or beyond U+10FFFF
    // The second byte alone excludes overlong forms, surrogates and what is beyond U+10FFFF.
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    for (; *size < length; (*size)++) {
        if (*size >= left || at[*size] < low || at[*size] > high) return false;
        low = 0x80;
        high = 0xbf;
    }
    return true;
}

#endif
