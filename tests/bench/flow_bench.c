// What a packet costs on its way through the data structures: checksum, cutting, joining, the two in a row, queueing
// and reassembly.
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include "flow/coalesce.h"
#include "flow/fragment.h"
#include "flow/packet.h"
#include "flow/queue.h"
#include "flow/segment.h"
#include "packets.h"
#include "unit.h"

enum { MSS = 1368, SUPER_PAYLOAD = 45 * MSS, ROUNDS = 2000, BUFFERS = 64 };

static uint8_t payload[65536], super[70000], wire[64][1600];
static size_t wire_size[64];
static struct qe_offload offload;
static size_t super_size;
static volatile uint64_t keep;

static struct qe_buf buffers[BUFFERS];
static uint8_t storage[BUFFERS][QE_BUF_SIZE];
static struct qe_buf *free_buffers;
static uint64_t emitted;

static struct qe_buf *lend(void *user)
{
    (void)user;
    struct qe_buf *buf = free_buffers;
    free_buffers = buf->next;
    buf->offset = QE_BUF_HEADROOM;
    buf->size = 0;
    return buf;
}

static void take(void *user, const struct qe_coalesce_out *out)
{
    (void)user;
    out->buf->next = free_buffers;
    free_buffers = out->buf;
    emitted++;
}

static uint64_t checksum_1400(void)
{
    for (int i = 0; i < ROUNDS * 20; i++)
        keep += qe_checksum_add(0, payload + (i & 63), 1400);
    return ROUNDS * 20;
}

static uint64_t checksum_copy_1400(void)
{
    for (int i = 0; i < ROUNDS * 20; i++)
        keep += qe_checksum_copy(0, super, payload + (i & 63), 1400);
    return ROUNDS * 20;
}

static uint64_t checksum_20(void)
{
    for (int i = 0; i < ROUNDS * 20; i++)
        keep += qe_checksum_add(0, payload + (i & 63), 20);
    return ROUNDS * 20;
}

static uint64_t parse(void)
{
    struct qe_packet_info info;
    for (int i = 0; i < ROUNDS * 20; i++)
        keep += qe_packet_parse(qe_span(wire[i & 31], wire_size[i & 31]), &info);
    return ROUNDS * 20;
}

static uint64_t parse_and_hash(void)
{
    struct qe_packet_info info;
    for (int i = 0; i < ROUNDS * 20; i++) {
        qe_packet_parse(qe_span(wire[i & 31], wire_size[i & 31]), &info);
        keep += qe_packet_flow_hash(&info, 1);
    }
    return ROUNDS * 20;
}

static uint64_t cut(bool copy)
{
    uint64_t count = 0;
    struct qe_segmenter s;
    struct qe_span pieces[2];
    qe_segmenter_init(&s, super, super_size, &offload);
    for (; qe_segmenter_next(&s, 1500, pieces) > 0; count++) {
        if (copy) {
            memcpy(wire[count], pieces[0].data, pieces[0].size);
            memcpy(wire[count] + pieces[0].size, pieces[1].data, pieces[1].size);
            wire_size[count] = pieces[0].size + pieces[1].size;
        }
        qe_segmenter_taken(&s);
    }
    return count;
}

static uint64_t segment(void)
{
    uint64_t count = 0;
    for (int i = 0; i < ROUNDS; i++)
        count += cut(false);
    return count;
}

static struct qe_coalescer *coalescer;

static uint64_t join(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (!qe_coalescer_add(coalescer, qe_span(wire[i], wire_size[i]))) return 0;
    qe_coalescer_flush(coalescer);
    return count;
}

static uint64_t coalesce(void)
{
    uint64_t count = 0;
    for (int i = 0; i < ROUNDS; i++)
        count += join(45);
    return count;
}

static uint64_t segment_and_coalesce(void)
{
    uint64_t count = 0;
    for (int i = 0; i < ROUNDS; i++)
        count += join(cut(true));
    return count;
}

static struct qe_queue *queue;

static void on_drop(void *user, struct qe_buf *buf, enum qe_queue_drop why)
{
    (void)user, (void)why;
    buf->next = free_buffers;
    free_buffers = buf;
}

static uint64_t push_and_pop(uint32_t size)
{
    uint64_t now = 0;
    struct qe_queue_item item = {0};
    for (int i = 0; i < ROUNDS; i++) {
        for (uint32_t k = 0; k < 32; k++) {
            item.buf = lend(NULL);
            item.buf->size = size;
            qe_queue_push(queue, &item, k << 29, now);
        }
        while (qe_queue_pop(queue, &item, now))
            on_drop(NULL, item.buf, 0);
        now += 1000;
    }
    return ROUNDS * 32;
}

static uint64_t queue_small(void)
{
    return push_and_pop(1400);
}

static uint64_t queue_large(void)
{
    return push_and_pop(64000);
}

static uint64_t push_when_full(void)
{
    struct qe_queue_item item = {0};
    for (int i = 0; i < ROUNDS * 20; i++) {
        item.buf = lend(NULL);
        item.buf->size = 1400;
        qe_queue_push(queue, &item, (uint32_t)i << 28, 0);
    }
    while (qe_queue_pop(queue, &item, 0))
        on_drop(NULL, item.buf, 0);
    return ROUNDS * 20;
}

static struct qe_reassembler *reassembler;

static uint64_t fragment(void)
{
    static uint16_t id;
    uint8_t frame[1500];
    for (int i = 0; i < ROUNDS * 10; i++) {
        size_t piece;
        struct qe_span packet;
        id++;
        for (size_t done = 0; done < 1420; done += piece) {
            qe_fragment_header(id, done, 1420, 1200, frame, &piece);
            memcpy(frame + QE_FRAGMENT_HEADER_SIZE, payload + done, piece);
            keep += qe_reassembler_add(reassembler, qe_span(frame, QE_FRAGMENT_HEADER_SIZE + piece), &packet, 0);
        }
    }
    return ROUNDS * 10;
}

static void measure_family(bool ipv6, bool udp)
{
    char text[64];
    struct model_flow flow = model_flow(ipv6, udp);
    const char *kind = ipv6 ? (udp ? "UDP/IPv6" : "TCP/IPv6") : (udp ? "UDP/IPv4" : "TCP/IPv4");
    super_size = model_super_packet(&flow, payload, SUPER_PAYLOAD, MSS, super, &offload);
    cut(true);
    snprintf(text, sizeof text, "%s: parse", kind);
    bench(text, "packet", 9, parse);
    snprintf(text, sizeof text, "%s: parse and hash the flow", kind);
    bench(text, "packet", 9, parse_and_hash);
    snprintf(text, sizeof text, "%s: cut 64 KiB into 45", kind);
    bench(text, "packet", 9, segment);
    emitted = 0;
    snprintf(text, sizeof text, "%s: join 45", kind);
    bench(text, "packet", 9, coalesce);
    if (emitted != 9 * ROUNDS) printf("  (joined into %llu, not %d)\n", (unsigned long long)emitted, 9 * ROUNDS);
    snprintf(text, sizeof text, "%s: cut, copy to the wire, join", kind);
    bench(text, "packet", 9, segment_and_coalesce);
}

int main(void)
{
    struct unit_random random = unit_random();
    unit_random_fill(&random, payload, sizeof payload);
    for (size_t i = 0; i < BUFFERS; i++) {
        buffers[i] = (struct qe_buf){storage[i], QE_BUF_SIZE, QE_BUF_HEADROOM, 0, free_buffers};
        free_buffers = &buffers[i];
    }
    coalescer = qe_coalescer_new(unit_mem(), &(struct qe_coalesce_owner){NULL, lend, take});
    bench("checksum of 20 bytes", "call", 9, checksum_20);
    bench("checksum of 1400 bytes", "call", 9, checksum_1400);
    bench("checksum of 1400 bytes while copying them", "call", 9, checksum_copy_1400);
    for (int kind = 0; kind < 4; kind++)
        measure_family(kind & 1, kind & 2);

    const struct qe_queue_owner owner = {NULL, on_drop};
    queue = qe_queue_new(unit_mem(), &(struct qe_queue_options){.packets_max = 48}, &owner);
    bench("queue: push and pop, 8 flows of 1400 bytes", "packet", 9, queue_small);
    bench("queue: push and pop, 8 flows of 64000 bytes", "packet", 9, queue_large);
    bench("queue: push with a drop from the fattest of 16", "packet", 9, push_when_full);
    reassembler = qe_reassembler_new(unit_mem());
    bench("fragment: cut 1420 bytes into two and join them", "packet", 9, fragment);
    qe_reassembler_free(reassembler);
    qe_queue_free(queue);
    qe_coalescer_free(coalescer);
    return 0;
}
