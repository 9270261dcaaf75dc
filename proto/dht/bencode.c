// The checker is a loop over one stack of open lists and dictionaries, so that hostile depth costs nothing but a false.
#include "dht/bencode.h"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

// Digits up to `stop`, which is taken too, as a number of at most `max`.
static uint64_t read_digits(struct qe_reader *r, uint8_t stop, uint64_t max, bool *canonical)
{
    uint64_t value = 0;
    const uint8_t *start = r->at;
    for (uint8_t c = qe_read8(r); c != stop || r->failed; c = qe_read8(r)) {
        if (r->failed || !is_digit(c) || value > max / 10 || value * 10 + (uint64_t)(c - '0') > max) {
            r->failed = true;
            return 0;
        }
        value = value * 10 + (uint64_t)(c - '0');
    }
    ptrdiff_t digits = r->at - start - 1;
    if (digits == 0) r->failed = true;
    if (digits > 1 && *start == '0') *canonical = false;
    return value;
}

static int64_t read_integer(struct qe_reader *r, bool *canonical)
{
    bool negative = qe_reader_left(r) > 0 && *r->at == '-';
    if (negative) qe_read8(r);
    uint64_t value = read_digits(r, 'e', (uint64_t)INT64_MAX + negative, canonical);
    if (!negative) return (int64_t)value;
    if (value == 0) *canonical = false;
    return value > INT64_MAX ? INT64_MIN : -(int64_t)value;
}

static struct qe_span read_string(struct qe_reader *r, bool *canonical)
{
    uint64_t size = read_digits(r, ':', qe_reader_left(r), canonical);
    return qe_read_bytes(r, (size_t)size);
}

static int compare_keys(struct qe_span a, struct qe_span b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared ? memcmp(a.data, b.data, shared) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

struct level {
    bool dictionary, value_due;
    struct qe_span key; // the last one; NULL before the first
};

// A key of the dictionary at `level`.
static void read_key(struct qe_reader *r, struct level *level, bool *canonical)
{
    struct qe_span key = read_string(r, canonical);
    if (level->key.data && compare_keys(level->key, key) >= 0) *canonical = false;
    level->key = key;
    level->value_due = true;
}

bool qe_bencode_check(struct qe_span bytes, bool *canonical)
{
    struct level levels[QE_BENCODE_DEPTH_MAX];
    size_t depth = 0;
    bool ignored, *strict = canonical ? canonical : &ignored;
    struct qe_reader r = qe_reader(bytes);
    *strict = true;
    do {
        if (r.failed || qe_reader_left(&r) == 0) return false;
        struct level *level = depth ? &levels[depth - 1] : NULL;
        uint8_t c = *r.at;
        if (level && c == 'e' && !level->value_due) {
            r.at++;
            depth--;
        } else if (level && level->dictionary && !level->value_due) {
            read_key(&r, level, strict);
        } else {
            if (level) level->value_due = false;
            if (c == 'd' || c == 'l') {
                if (depth == QE_BENCODE_DEPTH_MAX) return false;
                r.at++;
                levels[depth++] = (struct level){.dictionary = c == 'd'};
            } else if (c == 'i') {
                r.at++;
                read_integer(&r, strict);
            } else {
                read_string(&r, strict);
            }
        }
    } while (depth > 0);
    return !r.failed && qe_reader_left(&r) == 0;
}

// Passes over what is in a list or dictionary, and its end.
static void skip_items(struct qe_reader *r)
{
    bool ignored;
    for (size_t depth = 1; depth > 0 && !r->failed;) {
        uint8_t c = qe_read8(r);
        if (c == 'e') {
            depth--;
        } else if (c == 'd' || c == 'l') {
            depth++;
        } else if (c == 'i') {
            read_integer(r, &ignored);
        } else if (!r->failed) {
            r->at--;
            read_string(r, &ignored);
        }
    }
}

struct qe_bencode qe_bencode_read(struct qe_reader *r)
{
    struct qe_bencode out = {0};
    const uint8_t *start = r->at;
    bool ignored;
    uint8_t c = qe_read8(r);
    if (r->failed) return out;
    if (c == 'i') {
        out.integer = read_integer(r, &ignored);
        out.type = QE_BENCODE_INTEGER;
    } else if (c == 'l' || c == 'd') {
        skip_items(r);
        if (!r->failed) out.string = qe_span(start + 1, (size_t)(r->at - start) - 2);
        out.type = c == 'l' ? QE_BENCODE_LIST : QE_BENCODE_DICTIONARY;
    } else {
        r->at--;
        out.string = read_string(r, &ignored);
        out.type = QE_BENCODE_STRING;
    }
    if (r->failed) return (struct qe_bencode){0};
    out.raw = qe_span(start, (size_t)(r->at - start));
    return out;
}

bool qe_bencode_each(struct qe_reader *r, struct qe_bencode *out)
{
    if (r->failed || qe_reader_left(r) == 0) return false;
    *out = qe_bencode_read(r);
    return !r->failed;
}

struct qe_bencode qe_bencode_find(const struct qe_bencode *dictionary, const char *key, enum qe_bencode_type type)
{
    struct qe_span wanted = qe_span(key, strlen(key));
    struct qe_reader r = qe_reader(dictionary->string);
    struct qe_bencode name, value;
    if (dictionary->type != QE_BENCODE_DICTIONARY) return (struct qe_bencode){0};
    while (qe_bencode_each(&r, &name) && qe_bencode_each(&r, &value))
        if (qe_span_equal(name.string, wanted)) return value.type == type ? value : (struct qe_bencode){0};
    return (struct qe_bencode){0};
}

static void write_digits(struct qe_writer *w, uint64_t value)
{
    char text[20];
    size_t at = sizeof text;
    do
        text[--at] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    qe_write_bytes(w, text + at, sizeof text - at);
}

void qe_bencode_write_integer(struct qe_writer *w, int64_t value)
{
    qe_write8(w, 'i');
    if (value < 0) qe_write8(w, '-');
    write_digits(w, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    qe_write8(w, 'e');
}

void qe_bencode_write_string(struct qe_writer *w, struct qe_span string)
{
    write_digits(w, string.size);
    qe_write8(w, ':');
    qe_write_bytes(w, string.data, string.size);
}

void qe_bencode_write_key(struct qe_writer *w, const char *key)
{
    qe_bencode_write_string(w, qe_span(key, strlen(key)));
}
