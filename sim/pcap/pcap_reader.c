#include "pcap/pcap_reader.h"

#include "engine/memory.h"
#include "pcap/pcap_link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define PCAP_MICROS       UINT32_C(0xA1B2C3D4)
#define PCAP_NANOS        UINT32_C(0xA1B23C4D)
#define NG_SECTION        UINT32_C(0x0A0D0D0A)
#define NG_INTERFACE      UINT32_C(1)
#define NG_OLD_PACKET     UINT32_C(2)
#define NG_SIMPLE         UINT32_C(3)
#define NG_PACKET         UINT32_C(6)
#define NG_ORDER          UINT32_C(0x1A2B3C4D)
#define NG_TSRESOL        9
#define NG_INTERFACES_MAX 256
// Blocks beside packets (names, statistics, TLS keys) may be larger; no more of them is kept than this.
#define NG_BLOCK_MAX (SIM_PCAP_RECORD_MAX + 4096)

struct interface {
    uint32_t link;
    uint8_t resolution; // as in the option if_tsresol
};

struct sim_pcap_reader {
    FILE *in;
    char *file;
    bool swapped; // written on a machine of the other byte order than big-endian
    bool is_ng, nanos;
    uint32_t link; // classic
    struct interface interfaces[NG_INTERFACES_MAX];
    size_t interface_count;
    uint64_t records, passed_over;
    enum sim_pcap_result last;
    uint8_t *bytes; // of the record
    char error[SIM_PCAP_ERROR_SIZE];
};

static void fail(struct sim_pcap_reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct sim_pcap_reader *r, const char *format, ...)
{
    va_list args;
    if (r->last == SIM_PCAP_DAMAGED) return;
    r->last = SIM_PCAP_DAMAGED;
    int used = r->records ? snprintf(r->error, sizeof(r->error), "%s: record %" PRIu64 ": ", r->file, r->records)
                          : snprintf(r->error, sizeof(r->error), "%s: ", r->file);
    if (used < 0 || (size_t)used >= sizeof(r->error)) return;
    va_start(args, format);
    vsnprintf(r->error + used, sizeof(r->error) - (size_t)used, format, args);
    va_end(args);
}

static uint32_t word(const struct sim_pcap_reader *r, const uint8_t *bytes)
{
    uint32_t value = qe_load32(bytes);
    if (!r->swapped) return value;
    return value >> 24 | (value >> 8 & 0xFF00) | (value << 8 & 0xFF0000) | value << 24;
}

static uint16_t half(const struct sim_pcap_reader *r, const uint8_t *bytes)
{
    uint16_t value = qe_load16(bytes);
    return r->swapped ? (uint16_t)(value >> 8 | value << 8) : value;
}

// All of `size` bytes, or a mistake. may_end: that nothing is left is no mistake but the end.
static bool take(struct sim_pcap_reader *r, uint8_t *out, size_t size, bool may_end)
{
    size_t had = fread(out, 1, size, r->in);
    if (had == size) return true;
    if (ferror(r->in))
        fail(r, "cannot be read: %s", strerror(errno));
    else if (had == 0 && may_end)
        r->last = SIM_PCAP_END;
    else
        fail(r, "the capture is cut short; expected %zu more bytes", size - had);
    return false;
}

static bool pass(struct sim_pcap_reader *r, uint64_t size)
{
    while (size > 0 && r->last == SIM_PCAP_PACKET) {
        size_t part = size < SIM_PCAP_RECORD_MAX ? (size_t)size : SIM_PCAP_RECORD_MAX;
        if (!take(r, r->bytes, part, false)) return false;
        size -= part;
    }
    return true;
}

// Whether the record's bytes are an IP packet, which `packet` then holds.
static bool accept(struct sim_pcap_reader *r, uint32_t link, struct qe_span bytes, struct sim_pcap_packet *packet)
{
    packet->record = r->records;
    if (sim_pcap_link_ip(link, bytes, &packet->ip, &packet->total_size)) return true;
    r->passed_over++;
    return false;
}

static bool check_link(struct sim_pcap_reader *r, uint32_t link)
{
    if (!sim_pcap_link_known(link)) fail(r, "link type %" PRIu32 "; expected %s", link, SIM_PCAP_LINKS);
    return r->last == SIM_PCAP_PACKET;
}

static bool next_classic(struct sim_pcap_reader *r, struct sim_pcap_packet *packet)
{
    uint8_t head[16];
    if (!take(r, head, sizeof(head), true)) return false;
    r->records++;
    uint32_t size = word(r, head + 8), fraction = word(r, head + 4), second = r->nanos ? 1000000000 : 1000000;
    if (size > SIM_PCAP_RECORD_MAX)
        fail(r, "%" PRIu32 " bytes; expected at most %d", size, SIM_PCAP_RECORD_MAX);
    else if (fraction >= second)
        fail(r, "%" PRIu32 " %s in a second", fraction, r->nanos ? "nanoseconds" : "microseconds");
    else if (take(r, r->bytes, size, false)) {
        packet->time_ns = (uint64_t)word(r, head) * 1000000000 + (uint64_t)fraction * (1000000000 / second);
        return accept(r, r->link, qe_span(r->bytes, size), packet);
    }
    return false;
}

// Units of if_tsresol into nanoseconds; saturates.
static uint64_t nanoseconds(uint8_t resolution, uint64_t units)
{
    unsigned exponent = resolution & 0x7F;
    unsigned __int128 value = units;
    if (resolution & 0x80) return exponent > 63 ? 0 : (uint64_t)((value * 1000000000 >> exponent) & UINT64_MAX);
    for (; exponent < 9; exponent++)
        value *= 10;
    for (; exponent > 9 && value; exponent--)
        value /= 10;
    return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

static void take_interface(struct sim_pcap_reader *r, struct qe_span body)
{
    struct interface *interface = &r->interfaces[r->interface_count];
    if (body.size < 8 || r->interface_count == NG_INTERFACES_MAX) {
        fail(r, "an interface's block of %zu bytes; expected 8 or more, and at most %d interfaces", body.size,
            NG_INTERFACES_MAX);
        return;
    }
    *interface = (struct interface){.link = half(r, body.data), .resolution = 6};
    for (size_t at = 8; at + 4 <= body.size;) {
        uint16_t code = half(r, body.data + at), size = half(r, body.data + at + 2);
        if (code == 0 || at + 4 + size > body.size) break;
        if (code == NG_TSRESOL && size == 1) interface->resolution = body.data[at + 4];
        at += 4 + (((size_t)size + 3) & ~(size_t)3);
    }
    if (check_link(r, interface->link)) r->interface_count++;
}

static bool take_packet(struct sim_pcap_reader *r, uint32_t kind, struct qe_span body, struct sim_pcap_packet *packet)
{
    size_t header = kind == NG_SIMPLE ? 4 : 20;
    if (body.size < header) {
        fail(r, "a packet's block of %zu bytes; expected %zu or more", body.size, header);
        return false;
    }
    uint32_t id = kind == NG_SIMPLE ? 0 : kind == NG_PACKET ? word(r, body.data) : half(r, body.data);
    // A simple packet block says only how long the packet was.
    uint32_t size = word(r, body.data + (kind == NG_SIMPLE ? 0 : 12));
    if (kind == NG_SIMPLE && size > body.size - header) size = (uint32_t)(body.size - header);
    if (id >= r->interface_count)
        fail(r, "of interface %" PRIu32 ", of which there is no block before it", id);
    else if (size > body.size - header)
        fail(r, "%" PRIu32 " bytes in a block with %zu", size, body.size - header);
    if (r->last != SIM_PCAP_PACKET) return false;
    const struct interface *interface = &r->interfaces[id];
    uint64_t units = kind == NG_SIMPLE ? 0 : (uint64_t)word(r, body.data + 4) << 32 | word(r, body.data + 8);
    packet->time_ns = nanoseconds(interface->resolution, units);
    return accept(r, interface->link, qe_span(body.data + header, size), packet);
}

// Behind the type of a section's header, which is the same in both byte orders: the order, then the length.
static bool take_section(struct sim_pcap_reader *r)
{
    uint8_t head[8];
    if (!take(r, head, sizeof(head), false)) return false;
    uint32_t order = qe_load32(head + 4);
    r->swapped = order != NG_ORDER;
    uint32_t size = word(r, head);
    if (word(r, head + 4) != NG_ORDER || size < 28 || size % 4) fail(r, "a damaged section header");
    r->interface_count = 0;
    return r->last == SIM_PCAP_PACKET && pass(r, size - 12);
}

static bool next_ng(struct sim_pcap_reader *r, struct sim_pcap_packet *packet)
{
    uint8_t head[4], length[4];
    if (!take(r, head, sizeof(head), true)) return false;
    if (qe_load32(head) == NG_SECTION) {
        take_section(r);
        return false;
    }
    uint32_t kind = word(r, head);
    bool is_packet = kind == NG_PACKET || kind == NG_OLD_PACKET || kind == NG_SIMPLE;
    if (is_packet) r->records++;
    if (!take(r, length, sizeof(length), false)) return false;
    uint32_t size = word(r, length);
    if (size < 12 || size % 4) {
        fail(r, "a block of %" PRIu32 " bytes; expected 12 or more, in fours", size);
        return false;
    }
    size -= 12;
    if (!is_packet && kind != NG_INTERFACE) {
        pass(r, (uint64_t)size + 4);
        return false;
    }
    if (size > NG_BLOCK_MAX) {
        fail(r, "a block of %" PRIu32 " bytes; expected at most %d", size, NG_BLOCK_MAX);
        return false;
    }
    if (!take(r, r->bytes, size, false) || !take(r, length, sizeof(length), false)) return false;
    struct qe_span body = qe_span(r->bytes, size);
    if (word(r, length) != size + 12)
        fail(r, "a block that ends with another length than it begins with");
    else if (kind == NG_INTERFACE)
        take_interface(r, body);
    else
        return take_packet(r, kind, body, packet);
    return false;
}

enum sim_pcap_result sim_pcap_next(struct sim_pcap_reader *r, struct sim_pcap_packet *packet)
{
    while (r->last == SIM_PCAP_PACKET)
        if (r->is_ng ? next_ng(r, packet) : next_classic(r, packet)) return SIM_PCAP_PACKET;
    return r->last;
}

static void read_head(struct sim_pcap_reader *r)
{
    uint8_t head[24];
    size_t had = fread(head, 1, 4, r->in);
    uint32_t magic = had == 4 ? qe_load32(head) : 0;
    r->swapped = true;
    uint32_t turned = had == 4 ? word(r, head) : 0;
    r->swapped = magic != PCAP_MICROS && magic != PCAP_NANOS;
    r->is_ng = magic == NG_SECTION;
    r->nanos = magic == PCAP_NANOS || turned == PCAP_NANOS;
    if (ferror(r->in)) {
        fail(r, "cannot be read: %s", strerror(errno));
    } else if (had == 0) {
        fail(r, "empty; expected a capture (pcap or pcapng)");
    } else if (r->is_ng) {
        take_section(r);
    } else if (magic != PCAP_MICROS && turned != PCAP_MICROS && !r->nanos) {
        fail(r, "no capture; expected pcap or pcapng");
    } else if (take(r, head + 4, 20, false)) {
        // The upper bits of the link type are about frame check sequences.
        r->link = word(r, head + 20) & 0xFFFF;
        if (half(r, head + 4) != 2)
            fail(r, "pcap of version %u; expected 2", half(r, head + 4));
        else
            check_link(r, r->link);
    }
}

bool sim_pcap_recognizes(const uint8_t magic[4])
{
    uint32_t straight = qe_load32(magic);
    uint32_t turned = straight >> 24 | (straight >> 8 & 0xff00) | (straight & 0xff00) << 8 | straight << 24;
    return straight == NG_SECTION || straight == PCAP_MICROS || straight == PCAP_NANOS || turned == PCAP_MICROS ||
           turned == PCAP_NANOS;
}

struct sim_pcap_reader *sim_pcap_read(FILE *in, const char *file, char error[SIM_PCAP_ERROR_SIZE])
{
    struct sim_pcap_reader *r = sim_obtain(1, sizeof(*r));
    r->in = in;
    r->file = sim_copy_text(file);
    r->bytes = sim_obtain(1, NG_BLOCK_MAX);
    read_head(r);
    if (r->last == SIM_PCAP_PACKET) return r;
    memcpy(error, r->error, SIM_PCAP_ERROR_SIZE);
    sim_pcap_close(r);
    return NULL;
}

struct sim_pcap_reader *sim_pcap_open(const char *file, char error[SIM_PCAP_ERROR_SIZE])
{
    FILE *in = fopen(file, "rb");
    if (in) return sim_pcap_read(in, file, error);
    snprintf(error, SIM_PCAP_ERROR_SIZE, "%s: %s", file, strerror(errno));
    return NULL;
}

void sim_pcap_close(struct sim_pcap_reader *r)
{
    if (!r) return;
    fclose(r->in);
    sim_release(r->file);
    sim_release(r->bytes);
    sim_release(r);
}

const char *sim_pcap_error(const struct sim_pcap_reader *r)
{
    return r->error;
}

uint64_t sim_pcap_passed_over(const struct sim_pcap_reader *r)
{
    return r->passed_over;
}
