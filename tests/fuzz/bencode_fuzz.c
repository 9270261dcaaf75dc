// Any bytes as a bencoded value: what is found well is walked over within its bounds, and a canonical value is written
// again byte for byte.
#include "dht/bencode.h"

#include <assert.h>
#include <stdlib.h>

static void rewrite(struct qe_bencode value, struct qe_writer *w)
{
    struct qe_reader r = qe_reader(value.string);
    struct qe_bencode item;
    switch (value.type) {
    case QE_BENCODE_NONE:
        abort();
    case QE_BENCODE_INTEGER:
        qe_bencode_write_integer(w, value.integer);
        return;
    case QE_BENCODE_STRING:
        qe_bencode_write_string(w, value.string);
        return;
    case QE_BENCODE_LIST:
    case QE_BENCODE_DICTIONARY:
        qe_write8(w, value.type == QE_BENCODE_LIST ? 'l' : 'd');
        while (qe_bencode_each(&r, &item)) {
            assert(item.raw.data >= value.raw.data && item.raw.size < value.raw.size);
            rewrite(item, w);
        }
        assert(!r.failed);
        qe_write8(w, 'e');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1), *out = malloc(size + 1);
    memcpy(copy, data, size);
    copy = realloc(copy, size ? size : 1);
    bool canonical;
    bool well = qe_bencode_check(qe_span(copy, size), &canonical);
    // Reading without checking first stays within the bytes as well.
    struct qe_reader r = qe_reader(qe_span(copy, size));
    struct qe_bencode value = qe_bencode_read(&r);
    if (well) {
        struct qe_writer w = qe_writer(out, size);
        assert(value.raw.size == size);
        rewrite(value, &w);
        if (canonical) assert(!w.failed && qe_writer_size(&w) == size && memcmp(out, copy, size) == 0);
        qe_bencode_find(&value, "a", QE_BENCODE_DICTIONARY);
    }
    free(copy);
    free(out);
    return 0;
}
