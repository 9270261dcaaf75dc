#include "world/trace.h"

#include "base/cursor.h"
#include "engine/digest.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>

// Longest record but for its text and addresses, which are checked for room by themselves.
#define RECORD_MAX 512

void sim_trace_init(struct sim_trace *trace, const uint64_t *now_ns, FILE *text)
{
    trace->used = 0;
    trace->text = text;
    trace->now_ns = now_ns;
    crypto_generichash_init(&trace->hash, NULL, 0, SIM_TRACE_HASH_SIZE);
}

static void flush(struct sim_trace *trace)
{
    crypto_generichash_update(&trace->hash, trace->record, trace->used);
    trace->used = 0;
}

void sim_trace_fini(struct sim_trace *trace, uint8_t hash[SIM_TRACE_HASH_SIZE])
{
    flush(trace);
    crypto_generichash_final(&trace->hash, hash, SIM_TRACE_HASH_SIZE);
    if (trace->text) fflush(trace->text);
}

static struct qe_writer begin(struct sim_trace *trace, struct sim_trace_who who, enum sim_trace_event event)
{
    if (sizeof(trace->record) - trace->used < RECORD_MAX) flush(trace);
    struct qe_writer w = qe_writer(trace->record + trace->used, RECORD_MAX);
    qe_write64(&w, *trace->now_ns);
    qe_write32(&w, who.index);
    qe_write8(&w, (uint8_t)event);
    return w;
}

static void end(struct sim_trace *trace, const struct qe_writer *w)
{
    assert(!w->failed);
    trace->used += qe_writer_size(w);
}

static void write_ip(struct qe_writer *w, const struct qe_ip *ip)
{
    qe_write8(w, ip->family);
    qe_write_bytes(w, ip->bytes, sizeof(ip->bytes));
}

static void write_address(struct qe_writer *w, const struct qe_addr *addr)
{
    write_ip(w, &addr->ip);
    qe_write16(w, addr->port);
}

static void write_content(struct qe_writer *w, const uint8_t *bytes, size_t size)
{
    uint8_t digest[SIM_DIGEST_SIZE];
    sim_digest(bytes, size, digest);
    qe_write32(w, (uint32_t)size);
    qe_write_bytes(w, digest, sizeof(digest));
}

static void write_text(struct qe_writer *w, const char *text)
{
    size_t size = strlen(text);
    qe_write16(w, (uint16_t)size);
    qe_write_bytes(w, text, size);
}

// Starts a readable line; the caller goes on with fprintf.
static FILE *line(const struct sim_trace *trace, struct sim_trace_who who, const char *what)
{
    if (!trace->text) return NULL;
    uint64_t now = *trace->now_ns;
    fprintf(trace->text, "%" PRIu64 ".%09" PRIu64 " %s %s", now / 1000000000, now % 1000000000, who.name, what);
    return trace->text;
}

void sim_trace_start(struct sim_trace *trace, struct sim_trace_who who)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_START);
    end(trace, &w);
    if (line(trace, who, "start")) fputc('\n', trace->text);
}

void sim_trace_stop(struct sim_trace *trace, struct sim_trace_who who, bool crashed)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_STOP);
    qe_write8(&w, crashed);
    end(trace, &w);
    if (line(trace, who, crashed ? "crash" : "stop")) fputc('\n', trace->text);
}

static void say_packet(FILE *out, const struct sim_packet *packet)
{
    char source[QE_ADDR_TEXT_SIZE], destination[QE_ADDR_TEXT_SIZE];
    fprintf(out, " #%" PRIu64 " %s > %s %" PRIu32 " B ecn %u", packet->number, qe_addr_format(&packet->source, source),
        qe_addr_format(&packet->destination, destination), packet->size, packet->ecn);
    if (packet->kind == SIM_PACKET_TOO_BIG) fprintf(out, " icmp too big, mtu %u", packet->mtu);
}

void sim_trace_sent(struct sim_trace *trace, struct sim_trace_who who, const struct sim_packet *packet)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_SENT);
    qe_write64(&w, packet->number);
    write_address(&w, &packet->source);
    write_address(&w, &packet->destination);
    qe_write8(&w, packet->ecn);
    write_content(&w, packet->bytes, packet->size);
    end(trace, &w);
    if (line(trace, who, "sent")) {
        say_packet(trace->text, packet);
        fputc('\n', trace->text);
    }
}

void sim_trace_moved(
    struct sim_trace *trace, struct sim_trace_who who, enum sim_trace_event event, const struct sim_packet *packet)
{
    struct qe_writer w = begin(trace, who, event);
    qe_write64(&w, packet->number);
    qe_write32(&w, packet->interface);
    qe_write8(&w, packet->ecn);
    end(trace, &w);
    if (line(trace, who, event == SIM_TRACE_RECEIVED ? "received" : "forwarded")) {
        say_packet(trace->text, packet);
        fputc('\n', trace->text);
    }
}

void sim_trace_dropped(
    struct sim_trace *trace, struct sim_trace_who who, const struct sim_packet *packet, enum sim_drop reason)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_DROPPED);
    qe_write64(&w, packet->number);
    qe_write8(&w, (uint8_t)reason);
    end(trace, &w);
    if (line(trace, who, "dropped")) {
        say_packet(trace->text, packet);
        fprintf(trace->text, " %s\n", sim_drop_name(reason));
    }
}

void sim_trace_tun(struct sim_trace *trace, struct sim_trace_who who, enum sim_trace_event event, struct qe_span bytes,
    const struct qe_offload *offload)
{
    struct qe_writer w = begin(trace, who, event);
    qe_write8(&w, offload->kind);
    qe_write16(&w, offload->segment_size);
    qe_write8(&w, offload->needs_checksum);
    write_content(&w, bytes.data, bytes.size);
    end(trace, &w);
    if (line(trace, who, event == SIM_TRACE_TUN_IN ? "tun-in" : "tun-out")) {
        fprintf(trace->text, " %zu B", bytes.size);
        if (offload->kind != QE_OFFLOAD_NONE) fprintf(trace->text, " segments of %u B", offload->segment_size);
        fputc('\n', trace->text);
    }
}

void sim_trace_socket(struct sim_trace *trace, struct sim_trace_who who, enum sim_trace_event event, uint32_t socket,
    const struct qe_addr *address, bool ok)
{
    struct qe_writer w = begin(trace, who, event);
    qe_write32(&w, socket);
    write_address(&w, address);
    qe_write8(&w, ok);
    end(trace, &w);
    if (line(trace, who, event == SIM_TRACE_SOCKET_OPEN ? "socket-open" : "socket-close")) {
        char text[QE_ADDR_TEXT_SIZE];
        fprintf(trace->text, " %" PRIu32 " %s%s\n", socket, qe_addr_format(address, text), ok ? "" : " refused");
    }
}

void sim_trace_tun_open(struct sim_trace *trace, struct sim_trace_who who, uint16_t mtu,
    const struct qe_cidr *addresses, size_t address_count)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_TUN_OPEN);
    qe_write16(&w, mtu);
    qe_write8(&w, (uint8_t)address_count);
    assert(address_count <= 16);
    for (size_t i = 0; i < address_count; i++) {
        write_ip(&w, &addresses[i].ip);
        qe_write8(&w, addresses[i].bits);
    }
    end(trace, &w);
    if (line(trace, who, "tun-open")) {
        char text[QE_ADDR_TEXT_SIZE];
        fprintf(trace->text, " mtu %u", mtu);
        for (size_t i = 0; i < address_count; i++)
            fprintf(trace->text, " %s", qe_cidr_format(&addresses[i], text));
        fputc('\n', trace->text);
    }
}

void sim_trace_store(struct sim_trace *trace, struct sim_trace_who who, const char *key, struct qe_span value)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_STORE);
    write_text(&w, key);
    write_content(&w, value.data, value.size);
    end(trace, &w);
    if (line(trace, who, "store")) fprintf(trace->text, " %s %zu B\n", key, value.size);
}

void sim_trace_erase(struct sim_trace *trace, struct sim_trace_who who, const char *key)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_ERASE);
    write_text(&w, key);
    end(trace, &w);
    if (line(trace, who, "erase")) fprintf(trace->text, " %s\n", key);
}

void sim_trace_link(struct sim_trace *trace, struct sim_trace_who who, uint32_t interface, const char *name, bool up)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_LINK);
    qe_write32(&w, interface);
    qe_write8(&w, up);
    end(trace, &w);
    if (line(trace, who, "link")) fprintf(trace->text, " %s %s\n", name, up ? "up" : "down");
}

void sim_trace_translated(struct sim_trace *trace, struct sim_trace_who who, const struct sim_packet *packet)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_TRANSLATED);
    qe_write64(&w, packet->number);
    write_address(&w, &packet->source);
    write_address(&w, &packet->destination);
    end(trace, &w);
    if (line(trace, who, "translated")) {
        say_packet(trace->text, packet);
        fputc('\n', trace->text);
    }
}

void sim_trace_router(struct sim_trace *trace, struct sim_trace_who who, bool up)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_ROUTER);
    qe_write8(&w, up);
    end(trace, &w);
    if (line(trace, who, up ? "router up" : "router down")) fputc('\n', trace->text);
}

void sim_trace_note(struct sim_trace *trace, struct sim_trace_who who, const char *format, ...)
{
    if (!line(trace, who, "note ")) return;
    va_list args;
    va_start(args, format);
    vfprintf(trace->text, format, args);
    va_end(args);
    fputc('\n', trace->text);
}
