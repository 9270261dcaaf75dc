#include "look/out.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>

void sim_out_init(struct sim_out *out, FILE *file)
{
    out->file = file;
    out->failed = false;
    out->used = 0;
    out->time_size = 0;
    for (size_t i = 0; i < SIM_OUT_ADDRESSES; i++)
        out->addresses[i].size = 0;
}

static void fail(struct sim_out *out)
{
    if (!out->failed) out->error = errno;
    out->failed = true;
}

int sim_out_flush(struct sim_out *out)
{
    if (out->used && !out->failed && fwrite(out->buffer, 1, out->used, out->file) != out->used) fail(out);
    out->used = 0;
    if (!out->failed && fflush(out->file) != 0) fail(out);
    if (!out->failed) return 0;
    errno = out->error;
    return -1;
}

// Room for a short piece.
static char *room(struct sim_out *out, size_t size)
{
    if (sizeof(out->buffer) - out->used < size) {
        if (!out->failed && fwrite(out->buffer, 1, out->used, out->file) != out->used) fail(out);
        out->used = 0;
    }
    return out->buffer + out->used;
}

void sim_out_bytes(struct sim_out *out, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > sizeof(out->buffer)) {
        memcpy(room(out, sizeof(out->buffer)), from, sizeof(out->buffer));
        out->used = sizeof(out->buffer);
        from += sizeof(out->buffer);
        size -= sizeof(out->buffer);
    }
    if (!size) return;
    memcpy(room(out, size), from, size);
    out->used += size;
}

void sim_out_char(struct sim_out *out, char c)
{
    *room(out, 1) = c;
    out->used++;
}

void sim_out_text(struct sim_out *out, const char *text)
{
    sim_out_bytes(out, text, strlen(text));
}

static const char pairs[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

// The digits of a number, before `end`; returns where they start. Two at a time, and in 32 bits where that is enough.
static char *digits_before(char *end, uint64_t number)
{
    while (number > UINT32_MAX) {
        memcpy(end -= 2, pairs + number % 100 * 2, 2);
        number /= 100;
    }
    uint32_t rest = (uint32_t)number;
    while (rest >= 10) {
        memcpy(end -= 2, pairs + rest % 100 * 2, 2);
        rest /= 100;
    }
    if (rest || number == 0) *--end = (char)('0' + rest);
    return end;
}

// Decimal digits; returns how many.
static size_t digits(char *to, uint64_t number)
{
    char text[24], *end = text + sizeof(text), *start = digits_before(end, number);
    size_t size = (size_t)(end - start);
    memcpy(to, start, size);
    return size;
}

void sim_out_number(struct sim_out *out, uint64_t number)
{
    out->used += digits(room(out, 20), number);
}

void sim_out_time(struct sim_out *out, uint64_t time_ns)
{
    // Much happens at one time.
    if (!out->time_size || out->time_ns != time_ns) {
        uint32_t rest = (uint32_t)(time_ns % 1000000000);
        size_t size = digits(out->time_text, time_ns / 1000000000);
        char *at = out->time_text + size;
        *at = '.';
        at[1] = (char)('0' + rest / 100000000);
        rest %= 100000000;
        for (size_t i = 8; i > 0; i -= 2, rest /= 100)
            memcpy(at + i, pairs + rest % 100 * 2, 2);
        out->time_ns = time_ns;
        out->time_size = (uint8_t)(size + 10);
    }
    sim_out_bytes(out, out->time_text, out->time_size);
}

void sim_out_ip(struct sim_out *out, const struct qe_ip *ip)
{
    char text[QE_ADDR_TEXT_SIZE];
    if (ip->family != 4) {
        sim_out_text(out, qe_ip_format(ip, text));
        return;
    }
    char *at = room(out, 16);
    size_t size = 0;
    for (size_t i = 0; i < 4; i++) {
        if (i) at[size++] = '.';
        size += digits(at + size, ip->bytes[i]);
    }
    out->used += size;
}

void sim_out_address(struct sim_out *out, const struct qe_addr *address)
{
    const uint8_t *b = address->ip.bytes;
    size_t place = (size_t)(b[3] ^ b[7] ^ b[15] ^ b[2] * 3 ^ address->port * 7) % SIM_OUT_ADDRESSES;
    struct sim_out_address *known = &out->addresses[place];
    if (!known->size || !qe_addr_equal(&known->address, address)) {
        known->address = *address;
        known->size = (uint8_t)strlen(qe_addr_format(address, known->text));
    }
    sim_out_bytes(out, known->text, known->size);
}

void sim_out_string(struct sim_out *out, const char *text)
{
    static const char hex[] = "0123456789abcdef", replacement[] = "\xef\xbf\xbd";
    const uint8_t *at = (const uint8_t *)text;
    sim_out_char(out, '"');
    for (size_t left = strlen(text), size; left > 0; at += size, left -= size) {
        bool valid = qe_utf8_next(at, left, &size);
        if (!valid) {
            sim_out_bytes(out, replacement, sizeof(replacement) - 1);
        } else if (*at < 0x20) {
            char escape[] = {'\\', 'u', '0', '0', hex[*at >> 4], hex[*at & 15]};
            sim_out_bytes(out, escape, sizeof(escape));
        } else {
            if (*at == '"' || *at == '\\') sim_out_char(out, '\\');
            sim_out_bytes(out, at, size);
        }
    }
    sim_out_char(out, '"');
}

void sim_out_le16(struct sim_out *out, uint16_t number)
{
    uint8_t *at = (uint8_t *)room(out, 2);
    at[0] = (uint8_t)number;
    at[1] = (uint8_t)(number >> 8);
    out->used += 2;
}

void sim_out_le32(struct sim_out *out, uint32_t number)
{
    sim_out_le16(out, (uint16_t)number);
    sim_out_le16(out, (uint16_t)(number >> 16));
}
