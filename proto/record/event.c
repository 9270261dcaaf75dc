#include "record/event.h"

#include <stdio.h>

// More of one event than any host makes.
#define LIST_MAX  4096
#define CIDRS_MAX 1024
#define BYTES_MAX 65536

void qe_record_put_offload(struct qe_record_body *body, const struct qe_offload *offload)
{
    qe_record_put8(body,
        (uint8_t)(offload->kind | (unsigned)offload->needs_checksum << 6 | (unsigned)offload->checksum_valid << 7));
    qe_record_put(body, offload->header_size);
    qe_record_put(body, offload->segment_size);
    qe_record_put(body, offload->checksum_start);
    qe_record_put(body, offload->checksum_offset);
}

void qe_record_get_offload(struct qe_reader *r, struct qe_offload *offload)
{
    uint8_t flags = qe_read8(r);
    *offload = (struct qe_offload){
        .kind = flags & 0x3f, .needs_checksum = (flags & 0x40) != 0, .checksum_valid = (flags & 0x80) != 0};
    offload->header_size = (uint16_t)qe_record_get_max(r, UINT16_MAX);
    offload->segment_size = (uint16_t)qe_record_get_max(r, UINT16_MAX);
    offload->checksum_start = (uint16_t)qe_record_get_max(r, UINT16_MAX);
    offload->checksum_offset = (uint16_t)qe_record_get_max(r, UINT16_MAX);
    if (offload->kind > QE_OFFLOAD_UDP6) r->failed = true;
}

static void put_datagrams(struct qe_record_body *body, const struct qe_event *event)
{
    qe_record_put(body, event->datagrams.count);
    for (size_t i = 0; i < event->datagrams.count; i++) {
        const struct qe_datagrams *d = &event->datagrams.list[i];
        qe_record_put(body, d->socket);
        qe_record_put(body, d->interface);
        qe_record_put_addr(body, &d->local);
        qe_record_put_addr(body, &d->remote);
        qe_record_put(body, d->size);
        qe_record_put(body, d->segment_size);
        qe_record_put8(body, d->ecn);
        qe_record_put_piece(body, d->bytes, d->size);
    }
}

static void put_packets(struct qe_record_body *body, const struct qe_event *event)
{
    qe_record_put(body, event->packets.count);
    for (size_t i = 0; i < event->packets.count; i++) {
        const struct qe_packet_in *p = &event->packets.list[i];
        qe_record_put_offload(body, &p->offload);
        qe_record_put(body, p->buf->size);
        qe_record_put_piece(body, qe_buf_bytes(p->buf), p->buf->size);
    }
}

static void put_link(struct qe_record_body *body, const struct qe_link_event *link)
{
    qe_record_put(body, link->interface);
    qe_record_put_text(body, link->name);
    qe_record_put8(body, link->up);
    qe_record_put(body, link->address_count);
    for (size_t i = 0; i < link->address_count; i++)
        qe_record_put_cidr(body, &link->addresses[i]);
}

void qe_record_put_event(struct qe_record_body *body, const struct qe_event *event, struct qe_record_clock *clock)
{
    qe_record_put8(body, (uint8_t)event->kind);
    qe_record_put_signed(body, (int64_t)(event->now_ns - clock->now_ns));
    qe_record_put_signed(body, (int64_t)(event->wall_ms - clock->wall_ms));
    *clock = (struct qe_record_clock){event->now_ns, event->wall_ms};
    switch (event->kind) {
    case QE_EVENT_START:
    case QE_EVENT_TIMEOUT:
        break;
    case QE_EVENT_DATAGRAMS:
        put_datagrams(body, event);
        break;
    case QE_EVENT_PACKETS:
        put_packets(body, event);
        break;
    case QE_EVENT_BUFFERS:
        qe_record_put(body, event->buffers);
        break;
    case QE_EVENT_LINK:
        put_link(body, &event->link);
        break;
    case QE_EVENT_STORED:
        qe_record_put_text(body, event->stored.key);
        qe_record_put(body, event->stored.value.size);
        qe_record_put_piece(body, event->stored.value.data, event->stored.value.size);
        break;
    case QE_EVENT_RESULT:
        qe_record_put(body, event->result.request);
        qe_record_put8(body, (uint8_t)event->result.code);
        qe_record_put_addr(body, &event->result.local);
        qe_record_put_text(body, event->result.text);
        qe_record_put(body, event->result.lifetime_s);
        qe_record_put(body, event->result.address_count);
        for (size_t i = 0; i < event->result.address_count; i++)
            qe_record_put_addr(body, &(struct qe_addr){.ip = event->result.addresses[i]});
        break;
    case QE_EVENT_COMMAND:
        qe_record_put(body, event->command.id);
        qe_record_put8(body, (uint8_t)event->command.verb);
        qe_record_put_text(body, event->command.argument);
        break;
    }
}

// `count` zeroed items; the cursor fails without memory.
static void *items(struct qe_reader *r, const struct qe_mem *mem, size_t count, size_t size)
{
    void *made = r->failed || count == 0 ? NULL : qe_zalloc(mem, count, size);
    if (!made && count) r->failed = true;
    return made;
}

static const char *get_text(struct qe_reader *r, struct qe_record_event *out)
{
    bool null;
    struct qe_span text = qe_record_get_text(r, &null);
    if (r->failed || null) return NULL;
    out->text = items(r, out->mem, text.size + 1, 1);
    if (out->text && text.size) memcpy(out->text, text.data, text.size);
    return out->text;
}

static void get_datagrams(struct qe_reader *r, struct qe_record_event *out)
{
    size_t count = (size_t)qe_record_get_max(r, LIST_MAX);
    out->datagrams = items(r, out->mem, count, sizeof *out->datagrams);
    for (size_t i = 0; i < count && !r->failed; i++) {
        struct qe_datagrams *d = &out->datagrams[i];
        d->socket = (uint32_t)qe_record_get_max(r, UINT32_MAX);
        d->interface = (uint32_t)qe_record_get_max(r, UINT32_MAX);
        d->local = qe_record_get_addr(r);
        d->remote = qe_record_get_addr(r);
        d->size = (uint32_t)qe_record_get_max(r, BYTES_MAX);
        d->segment_size = (uint16_t)qe_record_get_max(r, UINT16_MAX);
        d->ecn = (uint8_t)qe_record_get_max(r, 3);
        if (d->segment_size == 0 || d->size == 0) r->failed = true;
    }
    for (size_t i = 0; i < count && !r->failed; i++)
        out->datagrams[i].bytes = qe_read_bytes(r, out->datagrams[i].size).data;
    out->event.datagrams.list = out->datagrams;
    out->event.datagrams.count = count;
}

// A host that says how a packet is to be cut or summed knows the packet: nothing lies beyond its end.
static bool fits(const struct qe_offload *offload, uint32_t size)
{
    if (offload->kind != QE_OFFLOAD_NONE && (offload->segment_size == 0 || offload->header_size > size)) return false;
    return !offload->needs_checksum || offload->checksum_start + offload->checksum_offset + 2u <= size;
}

static void get_packets(struct qe_reader *r, struct qe_record_event *out)
{
    size_t count = (size_t)qe_record_get_max(r, LIST_MAX);
    out->packets = items(r, out->mem, count, sizeof *out->packets);
    out->bufs = items(r, out->mem, count, sizeof *out->bufs);
    for (size_t i = 0; i < count && !r->failed; i++) {
        struct qe_buf *buf = &out->bufs[i];
        qe_record_get_offload(r, &out->packets[i].offload);
        buf->size = buf->capacity = (uint32_t)qe_record_get_max(r, BYTES_MAX);
        out->packets[i].buf = buf;
        if (!fits(&out->packets[i].offload, buf->size)) r->failed = true;
    }
    for (size_t i = 0; i < count && !r->failed; i++)
        out->bufs[i].data = (uint8_t *)(uintptr_t)qe_read_bytes(r, out->bufs[i].size).data;
    out->event.packets.list = out->packets;
    out->event.packets.count = count;
}

static void get_link(struct qe_reader *r, struct qe_record_event *out)
{
    struct qe_link_event *link = &out->event.link;
    link->interface = (uint32_t)qe_record_get_max(r, UINT32_MAX);
    link->name = get_text(r, out);
    link->up = qe_record_get_max(r, 1) != 0;
    link->address_count = (size_t)qe_record_get_max(r, CIDRS_MAX);
    out->cidrs = items(r, out->mem, link->address_count, sizeof *out->cidrs);
    for (size_t i = 0; i < link->address_count && !r->failed; i++)
        out->cidrs[i] = qe_record_get_cidr(r);
    link->addresses = out->cidrs;
    if (!link->name) r->failed = true;
}

static void get_result(struct qe_reader *r, struct qe_record_event *out)
{
    struct qe_result *result = &out->event.result;
    result->request = qe_record_get(r);
    result->code = (enum qe_result_code)qe_record_get_max(r, QE_RESULT_UNAVAILABLE);
    result->local = qe_record_get_addr(r);
    result->text = get_text(r, out);
    result->lifetime_s = (uint32_t)qe_record_get_max(r, UINT32_MAX);
    result->address_count = (size_t)qe_record_get_max(r, CIDRS_MAX);
    out->ips = items(r, out->mem, result->address_count, sizeof *out->ips);
    for (size_t i = 0; i < result->address_count && !r->failed; i++) {
        struct qe_addr addr = qe_record_get_addr(r);
        if (addr.port || addr.scope) r->failed = true;
        out->ips[i] = addr.ip;
    }
    result->addresses = out->ips;
}

static void get_rest(struct qe_reader *r, struct qe_record_event *out)
{
    struct qe_event *event = &out->event;
    switch (event->kind) {
    case QE_EVENT_START:
    case QE_EVENT_TIMEOUT:
        break;
    case QE_EVENT_DATAGRAMS:
        get_datagrams(r, out);
        break;
    case QE_EVENT_PACKETS:
        get_packets(r, out);
        break;
    case QE_EVENT_BUFFERS:
        event->buffers = (uint32_t)qe_record_get_max(r, UINT16_MAX);
        break;
    case QE_EVENT_LINK:
        get_link(r, out);
        break;
    case QE_EVENT_STORED:
        event->stored.key = get_text(r, out);
        event->stored.value = qe_record_get_span(r);
        if (!event->stored.key) r->failed = true;
        break;
    case QE_EVENT_RESULT:
        get_result(r, out);
        break;
    case QE_EVENT_COMMAND:
        event->command.id = qe_record_get(r);
        event->command.verb = (enum qe_command_verb)qe_record_get_max(r, QE_COMMAND_COUNT - 1);
        event->command.argument = get_text(r, out);
        break;
    }
}

void qe_record_get_event(
    struct qe_reader *r, struct qe_record_event *out, struct qe_record_clock *clock, const struct qe_mem *mem)
{
    *out = (struct qe_record_event){.mem = mem};
    out->event.kind = (enum qe_event_kind)qe_record_get_max(r, QE_EVENT_COMMAND);
    clock->now_ns += (uint64_t)qe_record_get_signed(r);
    clock->wall_ms += (uint64_t)qe_record_get_signed(r);
    out->event.now_ns = clock->now_ns;
    out->event.wall_ms = clock->wall_ms;
    // The half of all times that no clock reaches: so sums with them never overflow.
    if (clock->now_ns > INT64_MAX || clock->wall_ms > INT64_MAX / 1000) r->failed = true;
    if (!r->failed) get_rest(r, out);
    if (qe_reader_left(r) > 0) r->failed = true;
}

void qe_record_event_fini(struct qe_record_event *event)
{
    qe_free(event->mem, event->datagrams);
    qe_free(event->mem, event->packets);
    qe_free(event->mem, event->bufs);
    qe_free(event->mem, event->cidrs);
    qe_free(event->mem, event->ips);
    qe_free(event->mem, event->text);
}

const char *qe_record_event_name(enum qe_event_kind kind)
{
    static const char *const names[] = {[QE_EVENT_START] = "start",
        [QE_EVENT_TIMEOUT] = "timeout",
        [QE_EVENT_DATAGRAMS] = "datagrams",
        [QE_EVENT_PACKETS] = "packets",
        [QE_EVENT_BUFFERS] = "buffers",
        [QE_EVENT_LINK] = "link",
        [QE_EVENT_STORED] = "stored",
        [QE_EVENT_RESULT] = "result",
        [QE_EVENT_COMMAND] = "command"};
    return names[kind];
}

void qe_record_describe_event(const struct qe_event *event, char *out, size_t size)
{
    char addr[QE_ADDR_TEXT_SIZE];
    size_t bytes = 0;
    switch (event->kind) {
    case QE_EVENT_DATAGRAMS:
        for (size_t i = 0; i < event->datagrams.count; i++)
            bytes += event->datagrams.list[i].size;
        snprintf(out, size, "datagrams origins=%zu bytes=%zu from=%s", event->datagrams.count, bytes,
            event->datagrams.count ? qe_addr_format(&event->datagrams.list[0].remote, addr) : "-");
        break;
    case QE_EVENT_PACKETS:
        for (size_t i = 0; i < event->packets.count; i++)
            bytes += event->packets.list[i].buf->size;
        snprintf(out, size, "packets count=%zu bytes=%zu", event->packets.count, bytes);
        break;
    case QE_EVENT_BUFFERS:
        snprintf(out, size, "buffers count=%u", (unsigned)event->buffers);
        break;
    case QE_EVENT_LINK:
        snprintf(out, size, "link interface=%u name=%s %s addresses=%zu", (unsigned)event->link.interface,
            event->link.name, event->link.up ? "up" : "down", event->link.address_count);
        break;
    case QE_EVENT_STORED:
        snprintf(out, size, "stored key=%s bytes=%zu", event->stored.key, event->stored.value.size);
        break;
    case QE_EVENT_RESULT:
        snprintf(out, size, "result request=%llu code=%d local=%s%s%s", (unsigned long long)event->result.request,
            (int)event->result.code, qe_addr_format(&event->result.local, addr), event->result.text ? " text=" : "",
            event->result.text ? event->result.text : "");
        break;
    case QE_EVENT_COMMAND:
        snprintf(out, size, "command id=%llu verb=%d%s%s", (unsigned long long)event->command.id,
            (int)event->command.verb, event->command.argument ? " argument=" : "",
            event->command.argument ? event->command.argument : "");
        break;
    default:
        snprintf(out, size, "%s", qe_record_event_name(event->kind));
    }
}
