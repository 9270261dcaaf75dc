// Bencoding (BEP 3) without allocation: a value is checked once, whole, and then walked over where it lies. Values that
// point into the input keep their bytes as they were, because BEP 44 signs bytes, not meanings.
#ifndef QE_DHT_BENCODE_H
#define QE_DHT_BENCODE_H

#include "base/bytes.h"
#include "base/cursor.h"

#define QE_BENCODE_DEPTH_MAX 32 // lists and dictionaries in each other; deeper ones are malformed

enum qe_bencode_type {
    QE_BENCODE_NONE,
    QE_BENCODE_INTEGER,
    QE_BENCODE_STRING,
    QE_BENCODE_LIST,
    QE_BENCODE_DICTIONARY,
};

// A value, borrowed from the bytes that it was read from.
struct qe_bencode {
    enum qe_bencode_type type;
    struct qe_span raw;    // all of it, as it was encoded
    struct qe_span string; // of a string: its content; of a list or dictionary: what it holds
    int64_t integer;
};

// Whether `bytes` are exactly one value: well-formed, integers in 64 bits, nested at most QE_BENCODE_DEPTH_MAX deep.
// *canonical (NULL: not asked) then tells whether it is the one encoding of its meaning: keys sorted, none twice, no
// leading zeros.
bool qe_bencode_check(struct qe_span bytes, bool *canonical);

// The next value, of bytes that qe_bencode_check has found well; the reader has failed where there is none.
struct qe_bencode qe_bencode_read(struct qe_reader *r);
// The next item of a list or dictionary (key, value, key, …), begun with qe_reader(list->string); false at its end.
bool qe_bencode_each(struct qe_reader *r, struct qe_bencode *out);
// The value under `key` of a dictionary, of that type; QE_BENCODE_NONE where there is none (of a key that is there
// twice: the first).
struct qe_bencode qe_bencode_find(const struct qe_bencode *dictionary, const char *key, enum qe_bencode_type type);

void qe_bencode_write_integer(struct qe_writer *w, int64_t value);
void qe_bencode_write_string(struct qe_writer *w, struct qe_span string);
void qe_bencode_write_key(struct qe_writer *w, const char *key);

#endif
