// Node IDs: SHA-1 of the Ed25519 key, because that is a BEP 44 target. Authority always comes from the whole key; the
// ID only finds it.
#include "identity/identity.h"

#include <openssl/sha.h>
#include <string.h>

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

struct qe_node_id qe_node_id_from_key(const struct qe_key *key)
{
    struct qe_node_id id;
    SHA1(key->bytes, sizeof key->bytes, id.bytes);
    return id;
}

bool qe_key_equal(const struct qe_key *a, const struct qe_key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

int qe_node_id_compare(const struct qe_node_id *a, const struct qe_node_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

bool qe_node_id_equal(const struct qe_node_id *a, const struct qe_node_id *b)
{
    return qe_node_id_compare(a, b) == 0;
}

const char *qe_node_id_format(const struct qe_node_id *id, char out[QE_NODE_ID_TEXT_SIZE])
{
    char *p = out;
    *p++ = 'q';
    *p++ = 'e';
    // 160 bits are exactly 32 groups of 5: every 5 bytes make 8 characters.
    for (int i = 0; i < 20; i += 5) {
        uint64_t v = 0;
        for (int j = 0; j < 5; j++)
            v = v << 8 | id->bytes[i + j];
        for (int shift = 35; shift >= 0; shift -= 5)
            *p++ = alphabet[v >> shift & 31];
    }
    *p = 0;
    return out;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool qe_node_id_parse(const char *text, struct qe_node_id *out)
{
    struct qe_node_id id;
    if (lower(text[0]) != 'q' || lower(text[1]) != 'e') return false;
    text += 2;
    for (int i = 0; i < 20; i += 5) {
        uint64_t v = 0;
        for (int j = 0; j < 8; j++) {
            const char *at = *text ? strchr(alphabet, lower(*text)) : NULL;
            if (!at) return false;
            v = v << 5 | (uint64_t)(at - alphabet);
            text++;
        }
        for (int j = 4; j >= 0; j--, v >>= 8)
            id.bytes[i + j] = (uint8_t)v;
    }
    if (*text) return false;
    *out = id;
    return true;
}

bool qe_name_valid(const char *text)
{
    struct qe_node_id id;
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return n >= 1 && n < QE_NAME_SIZE && text[n] == 0 && !qe_node_id_parse(text, &id);
}
