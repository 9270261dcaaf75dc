// A hostile peer: it may connect (its key is allowed), and then says anything at all on its control stream and in
// DATAGRAM frames to a whole node that has another, honest peer. Nothing may crash, leak or spin, and no packet with an
// address of the node itself or of the other peer may come out of the TUN.
#include "bare.h"
#include "base/cursor.h"
#include "base/time.h"
#include "flow/fragment.h"
#include "flow/packet.h"
#include "route/overlay.h"
#include "wire/relay.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// An IP packet that claims to come from any of the hosts, a few bytes changed.
static size_t packet(struct world *w, struct qe_reader *r, uint8_t *out)
{
    uint8_t how = qe_read8(r);
    const struct world_host *from = &w->hosts[how % 3];
    size_t size = 60 + qe_read16(r) % 1300;
    world_packet(from, &w->hosts[0], how & 0x40 ? 4 : 6, 1, size, out);
    for (uint8_t changes = qe_read8(r) % 4; changes > 0; changes--)
        out[qe_read8(r) % size] = qe_read8(r);
    return size;
}

static void fragments(struct bare *bare, struct qe_reader *r)
{
    uint8_t bytes[1400], frame[1400];
    size_t size = packet(bare->host->world, r, bytes), at = 0, piece, room = 40 + qe_read8(r) * 4u;
    uint16_t id = qe_read8(r);
    while (at < size && qe_fragment_header(id, at, size, room, frame, &piece)) {
        memcpy(frame + QE_FRAGMENT_HEADER_SIZE, bytes + at, piece);
        uint8_t what = qe_read8(r);
        if (what == 1) frame[qe_read8(r) % QE_FRAGMENT_HEADER_SIZE] = qe_read8(r);
        if (what != 2) bare_datagram(bare, frame, QE_FRAGMENT_HEADER_SIZE + piece);
        at += piece;
    }
}

static void hello(struct bare *bare, struct qe_reader *r)
{
    uint8_t bytes[2 + QE_MESSAGE_SIZE_MAX];
    const struct world *w = bare->host->world;
    struct qe_hello hello = {.version = qe_read8(r), .session = qe_read8(r), .boot_epoch = qe_read8(r)};
    for (uint8_t count = qe_read8(r) % (QE_HELLO_ADDRESSES_MAX + 1); hello.address_count < count;) {
        uint8_t whose = qe_read8(r);
        const struct qe_node_id *id = &w->hosts[whose % 3].id;
        struct qe_cidr address = whose & 0x40 ? qe_overlay_ip4(id, 0) : qe_overlay_ip6(id);
        if (whose & 0x80) address.ip.bytes[qe_read8(r) % qe_ip_size(&address.ip)] = qe_read8(r);
        hello.addresses[hello.address_count++] = address.ip;
    }
    bare_control(bare, bytes, qe_hello_encode(&hello, bytes, sizeof bytes));
}

// A message about relaying, well formed; of few circuits, so that some belong together.
static void relay(struct bare *bare, struct qe_reader *r)
{
    uint8_t bytes[64];
    struct qe_relay_message m = {.type = (enum qe_message_type)(QE_MESSAGE_RELAY_OPEN + qe_read8(r) % 5)};
    m.circuit = qe_read8(r) % 8;
    m.node = bare->host->world->hosts[qe_read8(r) % 3].id;
    m.why = (enum qe_relay_end)(qe_read8(r) % QE_RELAY_END_TIMEOUT);
    m.quiet = m.why & 1;
    bare_control(bare, bytes, qe_relay_encode(&m, bytes, sizeof bytes));
}

// A frame in one of those circuits.
static void relayed(struct bare *bare, struct qe_reader *r)
{
    uint8_t frame[1500] = {0};
    uint8_t how = qe_read8(r);
    struct qe_span raw = qe_read_bytes(r, how & 0x1f);
    size_t size = QE_RELAYED_HEADER_SIZE + raw.size + (how & 0x20 ? 1200 : 0);
    qe_relayed_header(qe_read8(r) % 8, how & 0x40, frame);
    if (raw.size) memcpy(frame + QE_RELAYED_HEADER_SIZE, raw.data, raw.size);
    if (how & 0x80) frame[QE_RELAYED_HEADER_SIZE] |= 0x40;
    bare_datagram(bare, frame, size);
}

static void say(struct bare *bare, struct qe_reader *r)
{
    struct world *w = bare->host->world;
    uint8_t bytes[1500];
    struct qe_span raw;
    switch (qe_read8(r) % 9) {
    case 0:
        raw = qe_read_bytes(r, qe_read8(r));
        bare_control(bare, raw.data, raw.size);
        break;
    case 1:
        hello(bare, r);
        break;
    case 2:
        raw = qe_read_bytes(r, qe_read8(r));
        bare_datagram(bare, raw.data, raw.size);
        break;
    case 3:
        bare_datagram(bare, bytes, packet(w, r, bytes));
        break;
    case 4:
        fragments(bare, r);
        break;
    case 5:
        bytes[0] = QE_FRAME_ECHO + (qe_read8(r) & 1);
        memset(bytes + 1, qe_read8(r), 12);
        for (uint8_t count = qe_read8(r) % 32; count > 0; count--)
            bare_datagram(bare, bytes, QE_FRAME_ECHO_SIZE + (count == 31));
        break;
    case 7:
        relay(bare, r);
        break;
    case 8:
        relayed(bare, r);
        break;
    default:
        world_run(w, w->now_ns + qe_read8(r) * 4 * QE_NS_PER_MS);
        if (!bare->conn) bare_dial(bare, &w->hosts[0]);
        break;
    }
}

static void check_sources(const struct world *w)
{
    const struct world_host *node = &w->hosts[0];
    for (size_t i = 0; i < node->delivered_count; i++) {
        struct qe_packet_info info;
        bool whole = qe_packet_parse(node->delivered[i], &info);
        assert(whole);
        for (size_t j = 0; j < 3; j += 2) {
            struct qe_cidr four = qe_overlay_ip4(&w->hosts[j].id, 0), six = qe_overlay_ip6(&w->hosts[j].id);
            if (qe_ip_equal(&info.source, &four.ip) || qe_ip_equal(&info.source, &six.ip)) abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    static struct bare bare;
    struct qe_reader r = qe_reader(qe_span(data, size));
    world_init(&w, 1);
    for (size_t i = 0; i < 3; i++)
        world_add(&w);
    world_allow(&w.hosts[0], &w.hosts[1], false);
    world_allow(&w.hosts[0], &w.hosts[2], false);
    world_allow(&w.hosts[2], &w.hosts[0], true);
    w.hosts[0].config.lanes = 1 + (qe_read8(&r) & 1);
    w.hosts[0].config.gateway = true;
    w.hosts[0].config.relay.allow = QE_RELAY_ALLOWED;
    w.hosts[0].config.log_level = QE_LOG_ERROR;
    world_start(&w.hosts[0]);
    // The other peer has said what addresses it has.
    world_start(&w.hosts[2]);
    bare_init(&bare, &w.hosts[1]);
    bare_dial(&bare, &w.hosts[0]);
    world_run(&w, w.now_ns + 100 * QE_NS_PER_MS);
    assert(bare.connected);
    for (int i = 0; i < 100 && !r.failed && qe_reader_left(&r) > 0; i++)
        say(&bare, &r);
    world_run(&w, w.now_ns + 500 * QE_NS_PER_MS);
    check_sources(&w);
    bare_fini(&bare);
    if (world_fini(&w) != 0) abort();
    return 0;
}
