#include "record/file.h"

#include "base/cursor.h"
#include "record/core.h"

#include <sodium.h>
#include <stdio.h>

static const uint8_t magic[8] = {'q', 'e', 'r', 'e', 'c', 'o', 'r', 'd'};
static const uint8_t block_magic[4] = {'q', 'e', 'b', 'k'};

#define FLAG_SEALED   1
#define FLAG_REDACTED 2
// magic (8) | version (2) | flags (2) | size of the whole header (2)
#define FIXED_SIZE 14

const char *qe_record_end_text(enum qe_record_end end)
{
    static const char *const texts[QE_RECORD_END_COUNT] = {"goes on", "the node stopped", "its size limit is reached",
        "the disk is too slow", "the disk does not take it", "no memory"};
    return texts[end];
}

static void copy_text(char out[QE_RECORD_TEXT_SIZE], const char *text)
{
    snprintf(out, QE_RECORD_TEXT_SIZE, "%s", text);
}

void qe_record_header_init(struct qe_record_header *header, uint64_t wall_ms)
{
    *header = (struct qe_record_header){.wall_ms = wall_ms};
    memcpy(header->core, qe_core_digest, sizeof header->core);
    copy_text(header->openssl, qe_core_openssl);
    copy_text(header->ngtcp2, qe_core_ngtcp2);
    copy_text(header->commit, qe_core_commit);
    copy_text(header->version, qe_core_version);
    copy_text(header->platform, qe_core_platform);
}

static void write_text(struct qe_writer *w, const char *text)
{
    size_t size = strlen(text);
    qe_write8(w, (uint8_t)size);
    qe_write_bytes(w, text, size);
}

static void begin(struct qe_record_chain *chain, const uint8_t *header, size_t size, bool sealed)
{
    crypto_generichash(chain->checksum, sizeof chain->checksum, header, size, NULL, 0);
    chain->index = 0;
    chain->sealed = sealed;
}

size_t qe_record_frame_header(
    struct qe_record_chain *chain, const struct qe_record_header *header, uint8_t out[QE_RECORD_HEADER_MAX])
{
    struct qe_writer w = qe_writer(out, QE_RECORD_HEADER_MAX);
    qe_write_bytes(&w, magic, sizeof magic);
    qe_write16(&w, QE_RECORD_VERSION);
    qe_write16(&w, (uint16_t)((header->sealed ? FLAG_SEALED : 0) | (header->redacted ? FLAG_REDACTED : 0)));
    qe_write16(&w, 0); // its size, below
    qe_write64(&w, header->wall_ms);
    qe_write_bytes(&w, header->core, sizeof header->core);
    write_text(&w, header->commit);
    write_text(&w, header->version);
    write_text(&w, header->openssl);
    write_text(&w, header->ngtcp2);
    write_text(&w, header->platform);
    if (header->sealed) {
        qe_write_bytes(&w, header->recipient, sizeof header->recipient);
        qe_write_bytes(&w, header->ephemeral, sizeof header->ephemeral);
    }
    size_t size = qe_writer_size(&w);
    qe_store16(out + FIXED_SIZE - 2, (uint16_t)(size + QE_RECORD_CHECKSUM_SIZE));
    begin(chain, out, size, header->sealed);
    qe_write_bytes(&w, chain->checksum, sizeof chain->checksum);
    return qe_writer_size(&w);
}

static void read_text(struct qe_reader *r, char out[QE_RECORD_TEXT_SIZE])
{
    struct qe_span text = qe_read_bytes(r, qe_read8(r));
    if (text.size >= QE_RECORD_TEXT_SIZE) r->failed = true;
    for (size_t i = 0; i < text.size && !r->failed; i++)
        if (text.data[i] < ' ' || text.data[i] > '~') r->failed = true;
    if (r->failed) return;
    if (text.size) memcpy(out, text.data, text.size);
    out[text.size] = 0;
}

static bool parse_header(struct qe_span in, unsigned flags, struct qe_record_header *header)
{
    struct qe_reader r = qe_reader(in);
    qe_read_bytes(&r, FIXED_SIZE);
    *header = (struct qe_record_header){
        .sealed = (flags & FLAG_SEALED) != 0, .redacted = (flags & FLAG_REDACTED) != 0, .wall_ms = qe_read64(&r)};
    qe_read_copy(&r, header->core, sizeof header->core);
    read_text(&r, header->commit);
    read_text(&r, header->version);
    read_text(&r, header->openssl);
    read_text(&r, header->ngtcp2);
    read_text(&r, header->platform);
    if (header->sealed) {
        qe_read_copy(&r, header->recipient, sizeof header->recipient);
        qe_read_copy(&r, header->ephemeral, sizeof header->ephemeral);
    }
    return !r.failed && qe_reader_left(&r) == QE_RECORD_CHECKSUM_SIZE;
}

enum qe_record_fault qe_record_read_header(
    struct qe_record_chain *chain, struct qe_span in, struct qe_record_header *header, size_t *size, unsigned *version)
{
    size_t known = in.size < sizeof magic ? in.size : sizeof magic;
    *size = FIXED_SIZE;
    if (known && memcmp(in.data, magic, known) != 0) return QE_RECORD_FOREIGN;
    if (in.size < FIXED_SIZE) return QE_RECORD_SHORT;
    *version = qe_load16(in.data + 8);
    if (*version != QE_RECORD_VERSION) return QE_RECORD_OTHER;
    unsigned flags = qe_load16(in.data + 10);
    *size = qe_load16(in.data + 12);
    if (*size < FIXED_SIZE + QE_RECORD_CHECKSUM_SIZE || *size > QE_RECORD_HEADER_MAX) return QE_RECORD_DAMAGED;
    if (in.size < *size) return QE_RECORD_SHORT;
    size_t covered = *size - QE_RECORD_CHECKSUM_SIZE;
    begin(chain, in.data, covered, (flags & FLAG_SEALED) != 0);
    if (memcmp(chain->checksum, in.data + covered, sizeof chain->checksum) != 0) return QE_RECORD_DAMAGED;
    return parse_header(qe_span(in.data, *size), flags, header) ? QE_RECORD_RIGHT : QE_RECORD_DAMAGED;
}

// What is checked of a head before its size is believed.
static uint32_t head_sum(const uint8_t *head)
{
    uint8_t sum[crypto_generichash_BYTES_MIN];
    crypto_generichash(sum, sizeof sum, head, 13, NULL, 0);
    return qe_load32(sum) & 0xffffff;
}

// magic (4) | index (4) | size (4) | end (1) | checksum of these (3) | checksum (16): of the last block's (the
// header's) checksum, what stands before it, and what follows.
static void sum(const struct qe_record_chain *chain, const uint8_t *head, struct qe_span stored, uint8_t *out)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, QE_RECORD_CHECKSUM_SIZE);
    crypto_generichash_update(&state, chain->checksum, sizeof chain->checksum);
    crypto_generichash_update(&state, head, QE_RECORD_BLOCK_HEAD - QE_RECORD_CHECKSUM_SIZE);
    crypto_generichash_update(&state, stored.data, stored.size);
    crypto_generichash_final(&state, out, QE_RECORD_CHECKSUM_SIZE);
}

// Each block has a nonce of its own under a key that is this recording's alone.
static void nonce(uint32_t index, uint8_t out[crypto_aead_chacha20poly1305_ietf_NPUBBYTES])
{
    memset(out, 0, crypto_aead_chacha20poly1305_ietf_NPUBBYTES);
    qe_store32(out, index);
}

size_t qe_record_frame_block(
    struct qe_record_chain *chain, struct qe_span payload, enum qe_record_end end, uint8_t *out)
{
    uint8_t once[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    size_t size = payload.size + (chain->sealed ? QE_RECORD_SEAL_SIZE : 0);
    uint8_t *stored = out + QE_RECORD_BLOCK_HEAD;
    memcpy(out, block_magic, sizeof block_magic);
    qe_store32(out + 4, chain->index);
    qe_store32(out + 8, (uint32_t)size);
    out[12] = (uint8_t)end;
    qe_store32(out + 12, (uint32_t)end << 24 | head_sum(out));
    if (chain->sealed) {
        nonce(chain->index, once);
        crypto_aead_chacha20poly1305_ietf_encrypt(
            stored, NULL, payload.data, payload.size, out, 16, NULL, once, chain->key);
    } else if (size) {
        memcpy(stored, payload.data, size);
    }
    sum(chain, out, qe_span(stored, size), out + 16);
    memcpy(chain->checksum, out + 16, sizeof chain->checksum);
    chain->index++;
    return QE_RECORD_BLOCK_HEAD + size;
}

enum qe_record_fault qe_record_read_block_head(
    const struct qe_record_chain *chain, const uint8_t head[QE_RECORD_BLOCK_HEAD], struct qe_record_block *block)
{
    uint32_t end = qe_load32(head + 12);
    block->size = qe_load32(head + 8);
    block->end = (enum qe_record_end)(end >> 24);
    bool right = memcmp(head, block_magic, sizeof block_magic) == 0 && qe_load32(head + 4) == chain->index &&
                 block->size <= QE_RECORD_BLOCK_MAX + (chain->sealed ? QE_RECORD_SEAL_SIZE : 0) &&
                 block->size >= (chain->sealed ? QE_RECORD_SEAL_SIZE : 0) && end >> 24 < QE_RECORD_END_COUNT &&
                 (end & 0xffffff) == head_sum(head);
    return right ? QE_RECORD_RIGHT : QE_RECORD_DAMAGED;
}

enum qe_record_fault qe_record_read_block(struct qe_record_chain *chain, const uint8_t head[QE_RECORD_BLOCK_HEAD],
    uint8_t *stored, const struct qe_record_block *block, struct qe_span *payload)
{
    uint8_t checksum[QE_RECORD_CHECKSUM_SIZE], once[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    sum(chain, head, qe_span(stored, block->size), checksum);
    if (memcmp(checksum, head + 16, sizeof checksum) != 0) return QE_RECORD_DAMAGED;
    *payload = qe_span(stored, block->size);
    if (chain->sealed) {
        nonce(chain->index, once);
        payload->size -= QE_RECORD_SEAL_SIZE;
        if (crypto_aead_chacha20poly1305_ietf_decrypt(
                stored, NULL, NULL, stored, block->size, head, 16, once, chain->key) != 0)
            return QE_RECORD_WRONG_KEY;
    }
    memcpy(chain->checksum, checksum, sizeof checksum);
    chain->index++;
    return QE_RECORD_RIGHT;
}
