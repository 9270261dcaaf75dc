#include "look/capture.h"

#include "engine/memory.h"
#include "host/host.h"

#include "flow/checksum.h"
#include "flow/segment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TUN_INTERFACE   0 // of a host, in this file; the node's own numbers begin with 1
#define PROTOCOL_UDP    17
#define PROTOCOL_ICMP   1
#define PROTOCOL_ICMP6  58
#define DO_NOT_FRAGMENT 0x4000

#define COMMENT_SIZE 160

static uint32_t add(struct sim_capture *capture, uint32_t host, uint32_t interface, const char *name, const char *what)
{
    SIM_ROOM(capture->interfaces, capture->count, capture->capacity);
    uint32_t id = sim_pcap_add_interface(&capture->writer, name, what);
    capture->interfaces[capture->count++] = (struct sim_capture_interface){host, interface, id};
    return id;
}

static bool find(const struct sim_capture *capture, uint32_t host, uint32_t interface, uint32_t *id)
{
    for (size_t i = 0; i < capture->count; i++) {
        const struct sim_capture_interface *known = &capture->interfaces[i];
        if (known->host != host || known->interface != interface) continue;
        *id = known->id;
        return true;
    }
    return false;
}

static uint32_t underlay_interface(struct sim_capture *capture, const struct sim_interface *interface)
{
    char name[256], what[320];
    uint32_t id;
    const struct sim_box *box = interface->box;
    if (find(capture, box->index, interface->index, &id)) return id;
    snprintf(name, sizeof(name), "%s/%s", box->name, interface->name);
    snprintf(what, sizeof(what), "on link %s", interface->link ? interface->link->name : "-");
    return add(capture, box->index, interface->index, name, what);
}

// RFC 792 and RFC 1191, RFC 4443 §3.2.
static void write_too_big(const struct sim_packet *packet, uint64_t pseudo_sum, uint8_t *out)
{
    bool four = packet->destination.ip.family == 4;
    out[0] = four ? 3 : 2;
    out[1] = four ? 4 : 0;
    qe_store16(out + 6, packet->mtu);
    uint64_t sum = qe_checksum_add(four ? 0 : pseudo_sum, out, SIM_UDP_HEADER);
    qe_store16(out + 2, qe_checksum_fold(qe_checksum_add(sum, packet->bytes, packet->size)));
}

// IP and UDP (or ICMP) headers as they would stand before the payload; returns their size.
static size_t write_headers(const struct sim_packet *packet, uint8_t out[SIM_IP6_HEADER + SIM_UDP_HEADER])
{
    bool four = packet->destination.ip.family == 4;
    size_t ip_size = four ? SIM_IP4_HEADER : SIM_IP6_HEADER, address_size = four ? 4 : 16;
    size_t udp_size = SIM_UDP_HEADER + packet->size;
    bool is_udp = packet->kind == SIM_PACKET_UDP;
    uint8_t protocol = is_udp ? PROTOCOL_UDP : four ? PROTOCOL_ICMP : PROTOCOL_ICMP6;
    uint8_t *udp = out + ip_size, *addresses = out + (four ? 12 : 8);
    memset(out, 0, ip_size + SIM_UDP_HEADER);
    memcpy(addresses, packet->source.ip.bytes, address_size);
    memcpy(addresses + address_size, packet->destination.ip.bytes, address_size);
    if (four) {
        out[0] = 0x45;
        out[1] = packet->ecn;
        qe_store16(out + 2, (uint16_t)(ip_size + udp_size));
        qe_store16(out + 4, (uint16_t)packet->number);
        qe_store16(out + 6, DO_NOT_FRAGMENT);
        out[8] = packet->hops_left;
        out[9] = protocol;
        qe_store16(out + 10, qe_checksum_fold(qe_checksum_add(0, out, ip_size)));
    } else {
        qe_store32(out, 0x60000000u | (uint32_t)packet->ecn << 20);
        qe_store16(out + 4, (uint16_t)udp_size);
        out[6] = protocol;
        out[7] = packet->hops_left;
    }
    if (!is_udp) {
        write_too_big(packet, qe_checksum_add(protocol + udp_size, addresses, 2 * address_size), udp);
        return ip_size + SIM_UDP_HEADER;
    }
    qe_store16(udp, packet->source.port);
    qe_store16(udp + 2, packet->destination.port);
    qe_store16(udp + 4, (uint16_t)udp_size);
    uint64_t sum = qe_checksum_add(PROTOCOL_UDP + udp_size, addresses, 2 * address_size);
    sum = qe_checksum_add(sum, udp, SIM_UDP_HEADER);
    uint16_t checksum = qe_checksum_fold(qe_checksum_add(sum, packet->bytes, packet->size));
    qe_store16(udp + 6, checksum ? checksum : UINT16_MAX);
    return ip_size + SIM_UDP_HEADER;
}

static void write_datagram(struct sim_capture *capture, uint64_t now_ns, uint32_t interface,
    enum sim_pcap_direction direction, const struct sim_packet *packet, const char *comment)
{
    uint8_t headers[SIM_IP6_HEADER + SIM_UDP_HEADER];
    size_t size = write_headers(packet, headers);
    struct sim_pcap_record out = {.interface = interface,
        .time_ns = now_ns,
        .direction = direction,
        .comment = comment,
        .pieces = {qe_span(headers, size), qe_span(packet->bytes, packet->size)},
        .piece_count = 2};
    sim_pcap_write(&capture->writer, &out);
}

static void keep_secret(struct sim_capture *capture, const char *line)
{
    size_t size = strlen(line) + 1;
    if (!sim_secrets_add(&capture->secrets, line)) return;
    if (capture->line_capacity - capture->line_size < size) {
        capture->line_capacity = (capture->line_size + size) * 2;
        capture->lines = sim_resize(capture->lines, capture->line_capacity, 1);
    }
    memcpy(capture->lines + capture->line_size, line, size - 1);
    capture->line_size += size;
    capture->lines[capture->line_size - 1] = '\n';
}

static void see_underlay(struct sim_sink *sink, uint64_t now_ns, const struct sim_trace_item *item)
{
    struct sim_capture *capture = qe_container(sink, struct sim_capture, sink);
    char comment[COMMENT_SIZE];
    switch (item->event) {
    case SIM_TRACE_KEYLOG:
        keep_secret(capture, item->text);
        break;
    case SIM_TRACE_DROPPED:
        snprintf(comment, sizeof(comment), "#%" PRIu64 " dropped at %s: %s", item->packet->number, item->who.name,
            sim_drop_name(item->reason));
        write_datagram(capture, now_ns, capture->dropped, SIM_PCAP_UNKNOWN, item->packet, comment);
        break;
    case SIM_TRACE_LEFT:
    case SIM_TRACE_ARRIVED:
        snprintf(comment, sizeof(comment), "#%" PRIu64, item->packet->number);
        write_datagram(capture, now_ns, underlay_interface(capture, item->interface),
            item->event == SIM_TRACE_LEFT ? SIM_PCAP_OUTBOUND : SIM_PCAP_INBOUND, item->packet, comment);
        break;
    default:
        break;
    }
}

static void begin_underlay(struct sim_sink *sink, struct sim_host *const *hosts, size_t count)
{
    struct sim_capture *capture = qe_container(sink, struct sim_capture, sink);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < hosts[i]->box.interface_count; k++)
            underlay_interface(capture, hosts[i]->box.interfaces[k]);
    capture->dropped = sim_pcap_add_interface(&capture->writer, "dropped", "what did not arrive, with the reason");
}

static uint32_t overlay_interface(struct sim_capture *capture, struct sim_trace_who who)
{
    char name[256];
    uint32_t id;
    if (find(capture, who.index, TUN_INTERFACE, &id)) return id;
    snprintf(name, sizeof(name), "%s/tun", who.name);
    return add(capture, who.index, TUN_INTERFACE, name, "the overlay at this host");
}

static void see_overlay(struct sim_sink *sink, uint64_t now_ns, const struct sim_trace_item *item)
{
    struct sim_capture *capture = qe_container(sink, struct sim_capture, sink);
    struct sim_pcap_record out = {.interface = overlay_interface(capture, item->who),
        .time_ns = now_ns,
        .direction = item->event == SIM_TRACE_TUN_IN ? SIM_PCAP_OUTBOUND : SIM_PCAP_INBOUND};
    struct qe_segmenter segmenter;
    int pieces;
    if (capture->super_size < item->bytes.size) {
        capture->super = sim_resize(capture->super, item->bytes.size, 1);
        capture->super_size = item->bytes.size;
    }
    if (item->bytes.size) memcpy(capture->super, item->bytes.data, item->bytes.size);
    if (!qe_segmenter_init(&segmenter, capture->super, item->bytes.size, item->offload)) {
        capture->unreadable++;
        return;
    }
    while ((pieces = qe_segmenter_next(&segmenter, SIZE_MAX, out.pieces)) > 0) {
        out.piece_count = (size_t)pieces;
        sim_pcap_write(&capture->writer, &out);
        qe_segmenter_taken(&segmenter);
    }
}

static void begin_overlay(struct sim_sink *sink, struct sim_host *const *hosts, size_t count)
{
    struct sim_capture *capture = qe_container(sink, struct sim_capture, sink);
    for (size_t i = 0; i < count; i++)
        if (hosts[i]->runs_node) overlay_interface(capture, sim_box_who(&hosts[i]->box));
}

int sim_capture_underlay_init(struct sim_capture *capture, FILE *file, const char *application, const char *comment)
{
    capture->sink = (struct sim_sink){.wants = SIM_TRACE_BIT(SIM_TRACE_LEFT) | SIM_TRACE_BIT(SIM_TRACE_ARRIVED) |
                                               SIM_TRACE_BIT(SIM_TRACE_DROPPED) | SIM_TRACE_BIT(SIM_TRACE_KEYLOG),
        .see = see_underlay,
        .begin = begin_underlay};
    capture->final = file;
    capture->body = tmpfile();
    if (!capture->body) return -1;
    sim_pcap_begin(&capture->writer, file, application, comment);
    if (sim_out_flush(&capture->writer.out) != 0) return -1;
    sim_out_init(&capture->writer.out, capture->body);
    return 0;
}

void sim_capture_overlay_init(struct sim_capture *capture, FILE *file, const char *application, const char *comment)
{
    capture->sink = (struct sim_sink){.wants = SIM_TRACE_BIT(SIM_TRACE_TUN_IN) | SIM_TRACE_BIT(SIM_TRACE_TUN_OUT),
        .see = see_overlay,
        .begin = begin_overlay};
    sim_pcap_begin(&capture->writer, file, application, comment);
}

// Secrets, and then the packets that waited for them. 0, or -1 with errno.
static int put_together(struct sim_capture *capture)
{
    struct sim_out *out = &capture->writer.out;
    char piece[1 << 14];
    size_t size;
    if (sim_out_flush(out) != 0) return -1;
    rewind(capture->body);
    sim_out_init(out, capture->final);
    if (capture->line_size) sim_pcap_write_secrets(&capture->writer, qe_span(capture->lines, capture->line_size));
    while ((size = fread(piece, 1, sizeof(piece), capture->body)) > 0)
        sim_out_bytes(out, piece, size);
    return ferror(capture->body) ? -1 : sim_out_flush(out);
}

int sim_capture_fini(struct sim_capture *capture)
{
    int result = capture->body ? put_together(capture) : sim_out_flush(&capture->writer.out);
    int error = errno;
    if (capture->body) fclose(capture->body);
    sim_secrets_fini(&capture->secrets);
    sim_release(capture->lines);
    sim_release(capture->interfaces);
    sim_release(capture->super);
    capture->body = NULL;
    capture->lines = NULL;
    capture->interfaces = NULL;
    capture->super = NULL;
    errno = error;
    return result;
}
