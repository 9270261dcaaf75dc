// The outside of a recording: a header that says what it is, then blocks, each with a checksum that covers the one
// before, so that a flipped bit, a missing block or a cut is found and its place named. docs/recording.md has it byte
// by byte.
//
// The bytes of all blocks, one after the other, are the records. A sealed recording's blocks are encrypted to the
// public key of whoever may read it; the header stays readable, so that it can be told what made the recording.
#ifndef QE_RECORD_FILE_H
#define QE_RECORD_FILE_H

#include "base/bytes.h"

#define QE_RECORD_VERSION 2

// Of the header, whatever it says.
#define QE_RECORD_HEADER_MAX 1024
// Payload of a block.
#define QE_RECORD_BLOCK_MAX     (256 * 1024)
#define QE_RECORD_BLOCK_HEAD    32
#define QE_RECORD_SEAL_SIZE     16 // what sealing adds to a block
#define QE_RECORD_KEY_SIZE      32
#define QE_RECORD_CHECKSUM_SIZE 16
#define QE_RECORD_TEXT_SIZE     64
#define QE_RECORD_DIGEST_SIZE   32
#define QE_RECORD_FRAMED_MAX    (QE_RECORD_BLOCK_HEAD + QE_RECORD_BLOCK_MAX + QE_RECORD_SEAL_SIZE)

// Why a recording ends.
enum qe_record_end {
    QE_RECORD_GOES_ON,
    QE_RECORD_STOPPED, // with the node
    QE_RECORD_LIMIT,   // as large as it may become
    QE_RECORD_SLOW,    // the disk cannot keep up
    QE_RECORD_DISK,    // a write failed
    QE_RECORD_MEMORY,
    QE_RECORD_END_COUNT,
};
const char *qe_record_end_text(enum qe_record_end end);

struct qe_record_header {
    bool sealed, redacted;
    uint64_t wall_ms; // when it was begun
    // What a replay must agree with.
    uint8_t core[QE_RECORD_DIGEST_SIZE];
    char openssl[QE_RECORD_TEXT_SIZE], ngtcp2[QE_RECORD_TEXT_SIZE];
    // For whoever looks for that core.
    char commit[QE_RECORD_TEXT_SIZE], version[QE_RECORD_TEXT_SIZE], platform[QE_RECORD_TEXT_SIZE];
    uint8_t recipient[QE_RECORD_KEY_SIZE], ephemeral[QE_RECORD_KEY_SIZE]; // sealed: public keys
};

// Names this program's core.
void qe_record_header_init(struct qe_record_header *header, uint64_t wall_ms);

// What goes from block to block.
struct qe_record_chain {
    uint32_t index; // of the next block
    uint8_t checksum[QE_RECORD_CHECKSUM_SIZE];
    bool sealed;
    uint8_t key[QE_RECORD_KEY_SIZE];
};

// Writes the header, up to QE_RECORD_HEADER_MAX bytes, and begins the chain. Returns the size.
size_t qe_record_frame_header(
    struct qe_record_chain *chain, const struct qe_record_header *header, uint8_t out[QE_RECORD_HEADER_MAX]);
// Writes a block of at most QE_RECORD_BLOCK_MAX bytes to `out` (QE_RECORD_FRAMED_MAX), which may not overlap. Returns
// the size.
size_t qe_record_frame_block(
    struct qe_record_chain *chain, struct qe_span payload, enum qe_record_end end, uint8_t *out);

enum qe_record_fault {
    QE_RECORD_RIGHT,
    QE_RECORD_SHORT,   // more bytes are needed
    QE_RECORD_FOREIGN, // no recording
    QE_RECORD_OTHER,   // of another format version
    QE_RECORD_DAMAGED,
    QE_RECORD_WRONG_KEY,
};

// Reads a header at the start of `in` and begins the chain; *size: its size, or how much is needed to go on; *version:
// of the format, where it is another.
enum qe_record_fault qe_record_read_header(
    struct qe_record_chain *chain, struct qe_span in, struct qe_record_header *header, size_t *size, unsigned *version);

struct qe_record_block {
    size_t size; // as it is stored, behind its head
    enum qe_record_end end;
};
// Reads a block's head: RIGHT or DAMAGED.
enum qe_record_fault qe_record_read_block_head(
    const struct qe_record_chain *chain, const uint8_t head[QE_RECORD_BLOCK_HEAD], struct qe_record_block *block);
// Checks a block, and opens it where it is sealed (in place). *payload lies in `stored`.
enum qe_record_fault qe_record_read_block(struct qe_record_chain *chain, const uint8_t head[QE_RECORD_BLOCK_HEAD],
    uint8_t *stored, const struct qe_record_block *block, struct qe_span *payload);

// The key of a sealed recording, for the writer: from 32 random bytes, which become header->ephemeral's secret. 0, or
// -1 where `recipient` is no X25519 key.
int qe_record_seal(struct qe_record_chain *chain, struct qe_record_header *header,
    const uint8_t recipient[QE_RECORD_KEY_SIZE], const uint8_t random[QE_RECORD_KEY_SIZE]);
// For the reader, after the header: 0, or -1 where the secret key is not the recipient's.
int qe_record_unseal(
    struct qe_record_chain *chain, const struct qe_record_header *header, const uint8_t secret[QE_RECORD_KEY_SIZE]);
void qe_record_public_key(const uint8_t secret[QE_RECORD_KEY_SIZE], uint8_t out[QE_RECORD_KEY_SIZE]);

#endif
