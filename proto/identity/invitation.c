#include "identity/invitation.h"

#include "base/cursor.h"

#include <sodium.h>
#include <string.h>

#define PREFIX "qe1:"
// The checksum is for mistakes in copying, not for forgers: there is nothing to forge without the inviter.
#define CHECK_SIZE 4
#define BYTES_MAX  ((QE_INVITATION_TEXT_SIZE - sizeof PREFIX) * 3 / 4)

// How a place is told: its kind, and what follows.
enum place_form { FORM_IP4 = 0, FORM_IP6 = 1, FORM_HOST = 2 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void checksum(const uint8_t *bytes, size_t size, uint8_t out[CHECK_SIZE])
{
    uint8_t hash[32];
    crypto_generichash(hash, sizeof hash, bytes, size, NULL, 0);
    memcpy(out, hash, CHECK_SIZE);
}

static void to_text(const uint8_t *bytes, size_t size, char *out)
{
    uint32_t held = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < size; i++) {
        held = held << 8 | bytes[i];
        for (bits += 8; bits >= 6; bits -= 6)
            *out++ = alphabet[held >> (bits - 6) & 63];
    }
    if (bits) *out++ = alphabet[held << (6 - bits) & 63];
    *out = '\0';
}

// The number of bytes; 0 for what to_text does not write.
static size_t from_text(const char *text, uint8_t out[BYTES_MAX])
{
    uint32_t held = 0;
    unsigned bits = 0;
    size_t size = 0;
    for (; *text; text++) {
        const char *at = strchr(alphabet, *text);
        if (!at || size == BYTES_MAX) return 0;
        held = held << 6 | (uint32_t)(at - alphabet);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        out[size++] = (uint8_t)(held >> bits);
    }
    // What is left over is a part of the last byte's character, and zero.
    return bits < 6 && (held & ((1u << bits) - 1)) == 0 ? size : 0;
}

static bool host_valid(const char *host)
{
    size_t size = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");
    return size > 0 && host[size] == '\0';
}

static void write_place(struct qe_writer *w, const struct qe_place *place)
{
    size_t host_size = strlen(place->host);
    uint8_t form = host_size ? FORM_HOST : place->addr.ip.family == 4 ? FORM_IP4 : FORM_IP6;
    qe_write8(w, (uint8_t)((unsigned)place->kind << 4 | form));
    if (host_size) {
        qe_write8(w, (uint8_t)host_size);
        qe_write_bytes(w, place->host, host_size);
    } else {
        qe_write_bytes(w, place->addr.ip.bytes, qe_ip_size(&place->addr.ip));
    }
    qe_write16(w, place->addr.port);
}

static bool read_place(struct qe_reader *r, struct qe_place *place)
{
    uint8_t head = qe_read8(r), form = head & 15;
    *place = (struct qe_place){.kind = (enum qe_place_kind)(head >> 4)};
    if (form == FORM_HOST) {
        size_t size = qe_read8(r);
        if (size >= sizeof place->host) return false;
        qe_read_copy(r, place->host, size);
        if (r->failed || strlen(place->host) != size || !host_valid(place->host)) return false;
    } else if (form == FORM_IP4 || form == FORM_IP6) {
        place->addr.ip.family = form == FORM_IP4 ? 4 : 6;
        qe_read_copy(r, place->addr.ip.bytes, qe_ip_size(&place->addr.ip));
    } else {
        return false;
    }
    place->addr.port = qe_read16(r);
    return !r->failed && place->addr.port != 0 &&
           (place->kind == QE_PLACE_INVITER || place->kind == QE_PLACE_BOOTSTRAP);
}

bool qe_invitation_format(const struct qe_invitation *invitation, char out[QE_INVITATION_TEXT_SIZE])
{
    uint8_t bytes[BYTES_MAX], check[CHECK_SIZE];
    struct qe_writer w = qe_writer(bytes, sizeof bytes);
    qe_write_bytes(&w, invitation->inviter.bytes, sizeof invitation->inviter.bytes);
    qe_write_bytes(&w, invitation->token, sizeof invitation->token);
    qe_write8(&w, (uint8_t)invitation->place_count);
    for (size_t i = 0; i < invitation->place_count; i++)
        write_place(&w, &invitation->places[i]);
    if (w.failed) return false;
    checksum(bytes, qe_writer_size(&w), check);
    qe_write_bytes(&w, check, sizeof check);
    if (w.failed) return false;
    memcpy(out, PREFIX, sizeof PREFIX - 1);
    to_text(bytes, qe_writer_size(&w), out + sizeof PREFIX - 1);
    sodium_memzero(bytes, sizeof bytes);
    return true;
}

static bool decode(struct qe_span bytes, struct qe_invitation *out)
{
    struct qe_invitation invitation = {.place_count = 0};
    struct qe_reader r = qe_reader(bytes);
    qe_read_copy(&r, invitation.inviter.bytes, sizeof invitation.inviter.bytes);
    qe_read_copy(&r, invitation.token, sizeof invitation.token);
    size_t count = qe_read8(&r);
    if (r.failed || count > QE_INVITATION_PLACES_MAX) return false;
    for (size_t i = 0; i < count; i++)
        if (!read_place(&r, &invitation.places[i])) return false;
    invitation.place_count = count;
    if (r.failed || qe_reader_left(&r) > 0) return false;
    *out = invitation;
    return true;
}

bool qe_invitation_parse(const char *text, struct qe_invitation *out)
{
    uint8_t bytes[BYTES_MAX], check[CHECK_SIZE];
    if (strncmp(text, PREFIX, sizeof PREFIX - 1) != 0) return false;
    size_t size = from_text(text + sizeof PREFIX - 1, bytes);
    if (size <= CHECK_SIZE) return false;
    size -= CHECK_SIZE;
    checksum(bytes, size, check);
    bool ok = memcmp(check, bytes + size, CHECK_SIZE) == 0 && decode(qe_span(bytes, size), out);
    sodium_memzero(bytes, sizeof bytes);
    return ok;
}

void qe_invitation_rendezvous(const uint8_t token[QE_INVITATION_TOKEN_SIZE], uint8_t seed[QE_SECRET_SIZE])
{
    static const char purpose[] = "quicether invitation rendezvous";
    crypto_generichash(
        seed, QE_SECRET_SIZE, (const uint8_t *)purpose, sizeof purpose - 1, token, QE_INVITATION_TOKEN_SIZE);
}
