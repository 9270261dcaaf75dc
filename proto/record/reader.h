// Reads a recording, from its header to its last record, through a function that gives its bytes. Everything about the
// file is checked here; what the records say is checked by whoever reads them.
#ifndef QE_RECORD_READER_H
#define QE_RECORD_READER_H

#include "base/mem.h"
#include "record/file.h"

struct qe_record_source {
    void *user;
    // Up to `size` bytes; fewer only at the end. SIZE_MAX: it cannot be read.
    size_t (*read)(void *user, uint8_t *out, size_t size);
};

enum qe_record_state {
    QE_RECORD_GOOD,
    QE_RECORD_FINISHED, // at its end
    QE_RECORD_CUT,      // it stops without an end: killed, or cut short
    QE_RECORD_BAD,      // see `error`
};

#define QE_RECORD_ERROR_SIZE 256

struct qe_record_reader {
    const struct qe_mem *mem;
    struct qe_record_source source;
    struct qe_record_chain chain;
    struct qe_record_header header;
    unsigned version;       // of the format, where it is another
    uint64_t offset;        // of the next block in the file
    enum qe_record_end end; // as its last block says
    enum qe_record_state state;
    enum qe_record_fault fault;
    uint8_t *bytes; // of blocks, not yet given out
    size_t at, size, capacity;
    uint8_t head[QE_RECORD_BLOCK_HEAD];
    char error[QE_RECORD_ERROR_SIZE]; // one line, without the file's name
};

struct qe_record {
    uint8_t kind; // enum qe_record_kind
    struct qe_span body;
};

// Reads the header. 0, or -1 with the reader's fault and error. Give it to qe_record_reader_fini in either case.
int qe_record_reader_init(
    struct qe_record_reader *reader, const struct qe_mem *mem, const struct qe_record_source *source);
void qe_record_reader_fini(struct qe_record_reader *reader);
// A sealed one needs it before its first record. 0, or -1: it is sealed to another key.
int qe_record_reader_unseal(struct qe_record_reader *reader, const uint8_t secret[QE_RECORD_KEY_SIZE]);
// The next record, valid until the next call; false at the end, whatever it is like (`state`).
bool qe_record_reader_next(struct qe_record_reader *reader, struct qe_record *record);

#endif
