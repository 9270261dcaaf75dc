#include "world/trace.h"

#include "base/cursor.h"
#include "engine/digest.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

// Longest record but for its text and addresses, which are checked for room by themselves.
#define RECORD_MAX 512

void sim_trace_init(struct sim_trace *trace, const uint64_t *now_ns, struct sim_sink *sinks)
{
    trace->used = 0;
    trace->sinks = sinks;
    trace->wanted = 0;
    trace->now_ns = now_ns;
    for (const struct sim_sink *sink = sinks; sink; sink = sink->next)
        trace->wanted |= sink->wants;
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
    trace->wanted &= SIM_TRACE_BIT(SIM_TRACE_QLOG);
}

void sim_trace_begin(struct sim_trace *trace, struct sim_host *const *hosts, size_t count)
{
    for (struct sim_sink *sink = trace->sinks; sink; sink = sink->next)
        if (sink->begin) sink->begin(sink, hosts, count);
}

const char *sim_trace_event_name(enum sim_trace_event event)
{
    static const char *const names[SIM_TRACE_EVENT_COUNT] = {[SIM_TRACE_START] = "start",
        [SIM_TRACE_STOP] = "stop",
        [SIM_TRACE_SENT] = "sent",
        [SIM_TRACE_RECEIVED] = "received",
        [SIM_TRACE_FORWARDED] = "forwarded",
        [SIM_TRACE_DROPPED] = "dropped",
        [SIM_TRACE_TUN_IN] = "tun-in",
        [SIM_TRACE_TUN_OUT] = "tun-out",
        [SIM_TRACE_SOCKET_OPEN] = "socket-open",
        [SIM_TRACE_SOCKET_CLOSE] = "socket-close",
        [SIM_TRACE_TUN_OPEN] = "tun-open",
        [SIM_TRACE_STORE] = "store",
        [SIM_TRACE_ERASE] = "erase",
        [SIM_TRACE_LINK] = "link",
        [SIM_TRACE_TRANSLATED] = "translated",
        [SIM_TRACE_ROUTER] = "router",
        [SIM_TRACE_LEFT] = "left",
        [SIM_TRACE_ARRIVED] = "arrived",
        [SIM_TRACE_CORE] = "core",
        [SIM_TRACE_LOG] = "log",
        [SIM_TRACE_NOTE] = "note",
        [SIM_TRACE_FLOW] = "flow",
        [SIM_TRACE_SAMPLE] = "sample",
        [SIM_TRACE_KEYLOG] = "keylog",
        [SIM_TRACE_QLOG] = "qlog"};
    return names[event];
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

// Out of line, so that what nobody wants costs its callers little.
static __attribute__((noinline)) void tell(const struct sim_trace *trace, const struct sim_trace_item *item)
{
    for (struct sim_sink *sink = trace->sinks; sink; sink = sink->next)
        if (sink->wants & SIM_TRACE_BIT(item->event)) sink->see(sink, *trace->now_ns, item);
}

void sim_trace_tell(struct sim_trace *trace, const struct sim_trace_item *item)
{
    if (sim_trace_wants(trace, item->event)) tell(trace, item);
}

void sim_trace_start(struct sim_trace *trace, struct sim_trace_who who)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_START);
    end(trace, &w);
    if (sim_trace_wants(trace, SIM_TRACE_START))
        tell(trace, &(struct sim_trace_item){.event = SIM_TRACE_START, .who = who});
}

void sim_trace_stop(struct sim_trace *trace, struct sim_trace_who who, bool crashed)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_STOP);
    qe_write8(&w, crashed);
    end(trace, &w);
    if (sim_trace_wants(trace, SIM_TRACE_STOP))
        tell(trace, &(struct sim_trace_item){.event = SIM_TRACE_STOP, .who = who, .ok = crashed});
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
    if (sim_trace_wants(trace, SIM_TRACE_SENT))
        tell(trace, &(struct sim_trace_item){.event = SIM_TRACE_SENT, .who = who, .packet = packet});
}

void sim_trace_moved(
    struct sim_trace *trace, struct sim_trace_who who, enum sim_trace_event event, const struct sim_packet *packet)
{
    struct qe_writer w = begin(trace, who, event);
    qe_write64(&w, packet->number);
    qe_write32(&w, packet->interface);
    qe_write8(&w, packet->ecn);
    end(trace, &w);
    if (sim_trace_wants(trace, event))
        tell(trace, &(struct sim_trace_item){.event = event, .who = who, .packet = packet});
}

void sim_trace_dropped(
    struct sim_trace *trace, struct sim_trace_who who, const struct sim_packet *packet, enum sim_drop reason)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_DROPPED);
    qe_write64(&w, packet->number);
    qe_write8(&w, (uint8_t)reason);
    end(trace, &w);
    if (sim_trace_wants(trace, SIM_TRACE_DROPPED))
        tell(trace,
            &(struct sim_trace_item){.event = SIM_TRACE_DROPPED, .who = who, .packet = packet, .reason = reason});
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
    if (sim_trace_wants(trace, event))
        tell(trace, &(struct sim_trace_item){.event = event, .who = who, .bytes = bytes, .offload = offload});
}

void sim_trace_socket(struct sim_trace *trace, struct sim_trace_who who, enum sim_trace_event event, uint32_t socket,
    const struct qe_addr *address, bool ok)
{
    struct qe_writer w = begin(trace, who, event);
    qe_write32(&w, socket);
    write_address(&w, address);
    qe_write8(&w, ok);
    end(trace, &w);
    if (sim_trace_wants(trace, event))
        tell(trace,
            &(struct sim_trace_item){.event = event, .who = who, .socket = socket, .address = address, .ok = ok});
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
    if (sim_trace_wants(trace, SIM_TRACE_TUN_OPEN))
        tell(trace, &(struct sim_trace_item){.event = SIM_TRACE_TUN_OPEN,
                        .who = who,
                        .mtu = mtu,
                        .addresses = addresses,
                        .address_count = address_count});
}

void sim_trace_store(struct sim_trace *trace, struct sim_trace_who who, const char *key, struct qe_span value)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_STORE);
    write_text(&w, key);
    write_content(&w, value.data, value.size);
    end(trace, &w);
    if (sim_trace_wants(trace, SIM_TRACE_STORE))
        tell(trace, &(struct sim_trace_item){.event = SIM_TRACE_STORE, .who = who, .name = key, .bytes = value});
}

void sim_trace_erase(struct sim_trace *trace, struct sim_trace_who who, const char *key)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_ERASE);
    write_text(&w, key);
    end(trace, &w);
    if (sim_trace_wants(trace, SIM_TRACE_ERASE))
        tell(trace, &(struct sim_trace_item){.event = SIM_TRACE_ERASE, .who = who, .name = key});
}

void sim_trace_link(struct sim_trace *trace, struct sim_trace_who who, uint32_t interface, const char *name, bool up)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_LINK);
    qe_write32(&w, interface);
    qe_write8(&w, up);
    end(trace, &w);
    if (sim_trace_wants(trace, SIM_TRACE_LINK))
        tell(trace,
            &(struct sim_trace_item){.event = SIM_TRACE_LINK, .who = who, .socket = interface, .name = name, .ok = up});
}

void sim_trace_passed(struct sim_trace *trace, struct sim_trace_who who, enum sim_trace_event event,
    const struct sim_interface *interface, const struct sim_packet *packet)
{
    if (sim_trace_wants(trace, event))
        tell(trace, &(struct sim_trace_item){.event = event, .who = who, .interface = interface, .packet = packet});
}

void sim_trace_translated(struct sim_trace *trace, struct sim_trace_who who, const struct sim_packet *packet)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_TRANSLATED);
    qe_write64(&w, packet->number);
    write_address(&w, &packet->source);
    write_address(&w, &packet->destination);
    end(trace, &w);
    if (sim_trace_wants(trace, SIM_TRACE_TRANSLATED))
        tell(trace, &(struct sim_trace_item){.event = SIM_TRACE_TRANSLATED, .who = who, .packet = packet});
}

void sim_trace_router(struct sim_trace *trace, struct sim_trace_who who, bool up)
{
    struct qe_writer w = begin(trace, who, SIM_TRACE_ROUTER);
    qe_write8(&w, up);
    end(trace, &w);
    if (sim_trace_wants(trace, SIM_TRACE_ROUTER))
        tell(trace, &(struct sim_trace_item){.event = SIM_TRACE_ROUTER, .who = who, .ok = up});
}

void sim_trace_note(struct sim_trace *trace, struct sim_trace_who who, const char *format, ...)
{
    char text[1024];
    if (!sim_trace_wants(trace, SIM_TRACE_NOTE)) return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tell(trace, &(struct sim_trace_item){.event = SIM_TRACE_NOTE, .who = who, .text = text});
}
