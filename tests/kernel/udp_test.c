// UDP sockets against the real kernel: what is sent in one piece and received in one piece, and what becomes of sends
// that the kernel refuses.
#include "bufpool.h"
#include "namespace.h"
#include "udp.h"
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static struct qe_bufpool pool;
static struct qe_udp_counters counters;
static struct qe_udp_receiver *receiver;
static struct qe_udp from, to;
static size_t done_count;

static void on_done(void *user, struct qe_buf *buf)
{
    (void)user;
    done_count++;
    qe_bufpool_free(&pool, buf);
}

static void open_one(struct qe_udp *udp, uint32_t id, const char *text)
{
    struct qe_addr addr;
    struct qe_fault fault = {.text = ""};
    int error;
    CU_ASSERT_TRUE_FATAL(qe_addr_parse(text, &addr));
    int result = qe_udp_open(udp, id, &addr, 0, &counters, &fault, &error);
    if (result) puts(fault.text);
    CU_ASSERT_EQUAL_FATAL(result, 0);
    CU_ASSERT_NOT_EQUAL(udp->local.port, 0);
}

static void begin(const char *address)
{
    memset(&counters, 0, sizeof counters);
    done_count = 0;
    qe_bufpool_init(&pool);
    receiver = qe_udp_receiver_new();
    open_one(&from, 1, address);
    open_one(&to, 2, address);
}

static void end(void)
{
    qe_udp_close(&from, on_done, NULL);
    qe_udp_close(&to, on_done, NULL);
    qe_udp_receiver_free(receiver);
    qe_bufpool_fini(&pool);
}

// `size` bytes of a pattern in segments of `segment`, ready to send to `to`.
static struct qe_send make(uint32_t size, uint16_t segment)
{
    struct qe_send send = {.socket = 1, .remote = to.local, .segment_size = segment};
    send.buf = qe_bufpool_lend(&pool);
    send.buf->size = size;
    for (uint32_t i = 0; i < size; i++)
        qe_buf_bytes(send.buf)[i] = (uint8_t)(i * 7 + i / 251);
    return send;
}

static void send_out(struct qe_send send)
{
    CU_ASSERT_TRUE(qe_udp_enqueue(&from, &send));
    qe_udp_flush(&from, on_done, NULL);
}

struct got {
    uint32_t bytes;
    size_t entries;   // of lists
    size_t datagrams; // in all
    uint16_t largest; // segment
    struct qe_datagrams last;
    bool pattern; // as `make` made it
};

// Everything that arrives within a moment.
static struct got receive_all(void)
{
    struct got got = {.pattern = true};
    struct pollfd ready = {to.fd, POLLIN, 0};
    while (poll(&ready, 1, 100) > 0) {
        const struct qe_datagrams *list;
        bool more;
        size_t count = qe_udp_receive(&to, receiver, &list, &more);
        for (size_t i = 0; i < count; i++) {
            for (uint32_t j = 0; j < list[i].size; j++)
                if (list[i].bytes[j] != (uint8_t)((got.bytes + j) * 7 + (got.bytes + j) / 251)) got.pattern = false;
            got.bytes += list[i].size;
            got.datagrams += (list[i].size + list[i].segment_size - 1u) / list[i].segment_size;
            if (list[i].segment_size > got.largest) got.largest = list[i].segment_size;
            got.last = list[i];
        }
        got.entries += count;
    }
    return got;
}

static void a_batch_travels_in_one_piece_over(const char *address)
{
    begin(address);
    struct qe_send send = make(40 * 1200 + 7, 1200);
    send.ecn = 1;
    send_out(send);
    struct got got = receive_all();
    CU_ASSERT_EQUAL(got.bytes, 40 * 1200 + 7);
    CU_ASSERT_TRUE(got.pattern);
    CU_ASSERT_EQUAL(got.datagrams, 41);
    CU_ASSERT_EQUAL(got.largest, 1200);
    // Loopback keeps a super-packet whole: one system call each way.
    CU_ASSERT_EQUAL(got.entries, 1);
    CU_ASSERT_EQUAL(counters.send_calls, 1);
    CU_ASSERT_EQUAL(counters.sent_datagrams, 41);
    CU_ASSERT_EQUAL(counters.received_datagrams, 41);
    CU_ASSERT_EQUAL(got.last.socket, 2);
    CU_ASSERT_EQUAL(got.last.interface, 1);
    CU_ASSERT_EQUAL(got.last.ecn, 1);
    CU_ASSERT_TRUE(qe_addr_equal(&got.last.remote, &from.local));
    CU_ASSERT_TRUE(qe_addr_equal(&got.last.local, &to.local));
    CU_ASSERT_EQUAL(done_count, 1);
    end();
}

static void a_batch_travels_in_one_piece(void)
{
    a_batch_travels_in_one_piece_over("127.0.0.1:0");
    a_batch_travels_in_one_piece_over("[::1]:0");
}

static void batches_beyond_the_kernels_limits_are_cut(void)
{
    begin("127.0.0.1:0");
    // More than 64 segments, and more bytes than one datagram's length field can say.
    send_out(make(300 * 100 + 50, 100));
    struct got got = receive_all();
    CU_ASSERT_EQUAL(got.bytes, 300 * 100 + 50);
    CU_ASSERT_EQUAL(got.datagrams, 301);
    CU_ASSERT_TRUE(got.pattern);
    send_out(make(65536, 1300));
    got = receive_all();
    CU_ASSERT_EQUAL(got.bytes, 65536);
    CU_ASSERT_EQUAL(got.datagrams, 51);
    CU_ASSERT_TRUE(got.pattern);
    CU_ASSERT_EQUAL(counters.gso_refused, 0);
    CU_ASSERT_EQUAL(done_count, 2);
    end();
}

static void a_datagram_too_large_for_the_link_is_only_dropped(void)
{
    begin("127.0.0.1:0");
    CU_ASSERT_TRUE(namespace_run("ip link set lo mtu 1500"));
    send_out(make(1472, 1472));
    CU_ASSERT_EQUAL(receive_all().bytes, 1472);
    // A path-MTU probe; then segments that are each too large; then a batch of which the first datagrams are fine.
    send_out(make(1473, 1473));
    CU_ASSERT_EQUAL(counters.dropped_too_big, 1);
    send_out(make(3 * 1473, 1473));
    CU_ASSERT_EQUAL(counters.dropped_too_big, 4);
    CU_ASSERT_EQUAL(counters.gso_refused, 1);
    CU_ASSERT_EQUAL(receive_all().bytes, 0);
    CU_ASSERT_FALSE(from.no_gso);
    send_out(make(30 * 1472, 1472));
    CU_ASSERT_EQUAL(receive_all().bytes, 30 * 1472);
    CU_ASSERT_EQUAL(counters.dropped_too_big, 4);
    CU_ASSERT_EQUAL(done_count, 4);
    CU_ASSERT_TRUE(namespace_run("ip link set lo mtu 65536"));
    end();
}

static void without_segmentation_datagrams_go_one_by_one(void)
{
    begin("127.0.0.1:0");
    from.no_gso = true;
    send_out(make(100 * 500 + 1, 500));
    struct got got = receive_all();
    CU_ASSERT_EQUAL(got.bytes, 100 * 500 + 1);
    CU_ASSERT_EQUAL(got.datagrams, 101);
    CU_ASSERT_TRUE(got.pattern);
    // Still many a call.
    CU_ASSERT_EQUAL(counters.send_calls, 2);
    end();
}

static void small_sends_share_a_call(void)
{
    begin("127.0.0.1:0");
    for (int i = 0; i < 50; i++) {
        struct qe_send send = make(60, 60);
        CU_ASSERT_TRUE(qe_udp_enqueue(&from, &send));
    }
    qe_udp_flush(&from, on_done, NULL);
    CU_ASSERT_EQUAL(counters.send_calls, 1);
    CU_ASSERT_EQUAL(done_count, 50);
    struct got got = receive_all();
    CU_ASSERT_EQUAL(got.bytes, 50 * 60);
    CU_ASSERT_EQUAL(got.datagrams, 50);
    CU_ASSERT(counters.receive_calls < 10);
    end();
}

static void what_cannot_be_routed_is_dropped_and_counted(void)
{
    begin("0.0.0.0:0");
    struct qe_send send = make(100, 100);
    CU_ASSERT_TRUE(qe_addr_parse("192.0.2.1:9", &send.remote));
    send_out(send);
    CU_ASSERT_EQUAL(counters.dropped_unreachable, 1);
    // From an address that is not ours; by an interface that is not there.
    send = make(2 * 100, 100);
    CU_ASSERT_TRUE(qe_addr_parse("127.0.0.1:9", &send.remote));
    CU_ASSERT_TRUE(qe_addr_parse("192.0.2.7:0", &send.local));
    send_out(send);
    CU_ASSERT_EQUAL(counters.dropped_unreachable, 3);
    send = make(100, 100);
    CU_ASSERT_TRUE(qe_addr_parse("127.0.0.1:9", &send.remote));
    send.interface = 4711;
    send_out(send);
    CU_ASSERT_EQUAL(counters.dropped_unreachable, 4);
    // A family that the socket does not speak.
    send = make(100, 100);
    CU_ASSERT_TRUE(qe_addr_parse("[::1]:9", &send.remote));
    send_out(send);
    CU_ASSERT_EQUAL(counters.dropped_unreachable + counters.dropped_other, 5);
    // The socket is none the worse for it, also not for an ICMP "port unreachable".
    send = make(100, 100);
    CU_ASSERT_TRUE(qe_addr_parse("127.0.0.1:9", &send.remote));
    send_out(send);
    send = make(100, 100);
    send.remote.ip = qe_ip4(127, 0, 0, 1);
    send_out(send);
    CU_ASSERT_EQUAL(receive_all().bytes, 100);
    CU_ASSERT_EQUAL(done_count, 6);
    end();
}

static void the_source_address_is_the_one_asked_for(void)
{
    begin("0.0.0.0:0");
    struct qe_send send = make(100, 100);
    send.remote.ip = qe_ip4(127, 0, 0, 1);
    send.local.ip = qe_ip4(127, 3, 2, 1);
    send.interface = 1;
    send_out(send);
    struct got got = receive_all();
    CU_ASSERT_EQUAL(got.bytes, 100);
    CU_ASSERT_EQUAL(qe_ip4_to_u32(&got.last.remote.ip), 0x7f030201);
    CU_ASSERT_EQUAL(qe_ip4_to_u32(&got.last.local.ip), 0x7f000001);
    CU_ASSERT_EQUAL(got.last.local.port, to.local.port);
    end();
}

static void what_the_kernel_cannot_take_yet_waits_in_order(void)
{
    begin("127.0.0.1:0");
    if (!namespace_run("tc qdisc add dev lo root tbf rate 200mbit burst 70kb limit 100mb")) {
        puts("skipped: the kernel has no tbf");
        end();
        return;
    }
    uint32_t sent = 0;
    for (int i = 0; i < 60; i++) {
        struct qe_send send = make(60000, 1000);
        for (uint32_t j = 0; j < send.buf->size; j++)
            qe_buf_bytes(send.buf)[j] = (uint8_t)((sent + j) * 7 + (sent + j) / 251);
        sent += send.buf->size;
        CU_ASSERT_TRUE(qe_udp_enqueue(&from, &send));
    }
    int small = 100000;
    setsockopt(from.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    qe_udp_flush(&from, on_done, NULL);
    CU_ASSERT_TRUE(from.blocked);
    CU_ASSERT(done_count < 60);
    struct got got = {.pattern = true};
    uint32_t bytes = 0;
    for (int i = 0; i < 2000 && bytes < sent; i++) {
        struct pollfd ready[] = {{from.fd, (short)(from.blocked ? POLLOUT : 0), 0}, {to.fd, POLLIN, 0}};
        poll(ready, 2, 1000);
        if (ready[0].revents & POLLOUT) qe_udp_flush(&from, on_done, NULL);
        const struct qe_datagrams *list;
        bool more;
        size_t count = qe_udp_receive(&to, receiver, &list, &more);
        for (size_t j = 0; j < count; j++) {
            for (uint32_t k = 0; k < list[j].size; k++)
                if (list[j].bytes[k] != (uint8_t)((bytes + k) * 7 + (bytes + k) / 251)) got.pattern = false;
            bytes += list[j].size;
        }
    }
    CU_ASSERT_EQUAL(bytes, sent);
    CU_ASSERT_TRUE(got.pattern);
    CU_ASSERT_EQUAL(done_count, 60);
    CU_ASSERT_FALSE(from.blocked);
    CU_ASSERT(counters.blocked > 0);
    namespace_run("tc qdisc del dev lo root");
    end();
}

static void an_address_in_use_is_named(void)
{
    begin("127.0.0.1:0");
    struct qe_udp third;
    struct qe_fault fault;
    int error = 0;
    CU_ASSERT_EQUAL(qe_udp_open(&third, 3, &to.local, 0, &counters, &fault, &error), -1);
    CU_ASSERT_EQUAL(error, EADDRINUSE);
    CU_ASSERT_EQUAL(fault.exit, QE_EXIT_SOCKET);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "127.0.0.1:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "in use"));
    struct qe_addr elsewhere;
    CU_ASSERT_TRUE(qe_addr_parse("192.0.2.1:9000", &elsewhere));
    CU_ASSERT_EQUAL(qe_udp_open(&third, 3, &elsewhere, 0, &counters, &fault, &error), -1);
    CU_ASSERT_EQUAL(error, EADDRNOTAVAIL);
    end();
}

static const struct unit_case cases[] = {
    {"a batch travels in one piece", a_batch_travels_in_one_piece},
    {"batches beyond the kernel's limits are cut", batches_beyond_the_kernels_limits_are_cut},
    {"a datagram too large for the link is only dropped", a_datagram_too_large_for_the_link_is_only_dropped},
    {"without segmentation datagrams go one by one", without_segmentation_datagrams_go_one_by_one},
    {"small sends share a call", small_sends_share_a_call},
    {"what cannot be routed is dropped and counted", what_cannot_be_routed_is_dropped_and_counted},
    {"the source address is the one asked for", the_source_address_is_the_one_asked_for},
    {"what the kernel cannot take yet waits in order", what_the_kernel_cannot_take_yet_waits_in_order},
    {"an address in use is named", an_address_in_use_is_named},
};

int main(void)
{
    namespace_enter();
    return unit_main("kernel_udp", cases, sizeof cases / sizeof cases[0]);
}
