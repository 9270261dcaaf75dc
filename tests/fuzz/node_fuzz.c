// A whole node against anything at all: the input is a program of events (datagrams from strangers, damaged datagrams
// of its own peer, TUN packets with any offload, links, results, commands, stored items, time), run against one of two
// nodes that are connecting to each other. Nothing may crash, leak or spin.
#include "base/cursor.h"
#include "base/time.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void step(struct world_host *h, struct qe_event *event)
{
    struct qe_action action;
    event->now_ns = h->world->now_ns;
    event->wall_ms = 1700000000000;
    qe_node_step(h->node, event);
    (void)action;
    // What it wants done is done with the next event of the world.
}

static void damage(struct world *w, struct qe_reader *r)
{
    struct world_datagram *d = w->flight;
    for (uint8_t skip = qe_read8(r) % 4; d && skip > 0; skip--)
        d = d->next;
    if (!d || d->size == 0) return;
    uint16_t at = qe_read16(r);
    d->bytes[at % d->size] ^= qe_read8(r);
    if (qe_read8(r) % 8 == 0) d->size = at % d->size;
}

static void packet(struct world_host *h, struct qe_reader *r)
{
    uint8_t bytes[2048];
    struct qe_offload offload = {.kind = qe_read8(r) % 8,
        .needs_checksum = qe_read8(r) & 1,
        .header_size = qe_read16(r),
        .segment_size = qe_read16(r),
        .checksum_start = qe_read16(r) % 256,
        .checksum_offset = qe_read16(r) % 64};
    size_t peer = h->index ? 0 : 1;
    size_t size = world_packet(h, &h->world->hosts[peer], qe_read8(r) & 1 ? 4 : 6, 1, 60 + qe_read16(r) % 1900, bytes);
    for (uint8_t changes = qe_read8(r) % 8; changes > 0; changes--)
        bytes[qe_read8(r) % size] = qe_read8(r);
    world_tun(h, bytes, size - qe_read8(r) % 60, &offload);
}

static void stored(struct world_host *h, struct qe_reader *r)
{
    char key[64], id[QE_NODE_ID_TEXT_SIZE];
    size_t peer = h->index ? 0 : 1;
    snprintf(key, sizeof key, "%s/%s", qe_read8(r) & 1 ? "peer" : "ticket",
        qe_node_id_format(&h->world->hosts[peer].id, id));
    struct qe_event event = {.kind = QE_EVENT_STORED, .stored = {key, qe_read_bytes(r, qe_read8(r))}};
    step(h, &event);
}

static void anything(struct world_host *h, struct qe_reader *r)
{
    char text[33] = {0};
    const struct qe_cidr address = {qe_ip4(10, 0, 0, qe_read8(r)), 24};
    struct qe_event event = {.kind = QE_EVENT_LINK,
        .link = {.interface = qe_read8(r),
            .name = "eth0",
            .up = qe_read8(r) & 1,
            .addresses = &address,
            .address_count = 1}};
    switch (qe_read8(r) % 4) {
    case 0:
        break;
    case 1:
        event = (struct qe_event){.kind = QE_EVENT_RESULT, .result = {.request = qe_read8(r), .code = qe_read8(r) % 3}};
        break;
    case 2:
        qe_read_copy(r, text, 32);
        event = (struct qe_event){.kind = QE_EVENT_COMMAND,
            .command = {.id = 1, .verb = (enum qe_command_verb)(qe_read8(r) % 6), .argument = text}};
        break;
    default:
        event = (struct qe_event){.kind = QE_EVENT_TIMEOUT};
        break;
    }
    step(h, &event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct qe_reader r = qe_reader(qe_span(data, size));
    world_init(&w, 1);
    for (size_t i = 0; i < 2; i++)
        world_add(&w);
    for (size_t i = 0; i < 2; i++) {
        world_allow(&w.hosts[i], &w.hosts[1 - i], true);
        w.hosts[i].config.lanes = 1 + (qe_read8(&r) & 1);
        world_start(&w.hosts[i]);
    }
    for (int i = 0; i < 200 && !r.failed && qe_reader_left(&r) > 0; i++) {
        uint8_t op = qe_read8(&r);
        struct world_host *h = &w.hosts[op >> 7];
        const struct qe_addr stranger = {qe_ip4(192, 0, 2, 1), 1234, 0}, friend = {w.hosts[1 - h->index].ip, 9000, 0};
        struct qe_span bytes;
        switch (op % 8) {
        case 0:
        case 1:
            bytes = qe_read_bytes(&r, qe_read8(&r));
            world_inject(&w, h, op % 8 ? &friend : &stranger, bytes.data, bytes.size);
            break;
        case 2:
        case 3:
            damage(&w, &r);
            break;
        case 4:
            packet(h, &r);
            break;
        case 5:
            stored(h, &r);
            break;
        case 6:
            anything(h, &r);
            break;
        default:
            world_run(&w, w.now_ns + qe_read16(&r) * QE_NS_PER_MS);
            break;
        }
    }
    world_run(&w, w.now_ns + QE_NS_PER_S);
    if (world_fini(&w) != 0) abort();
    return 0;
}
