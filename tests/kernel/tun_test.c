// The TUN against the real kernel: super-packets in both directions. A mirror stands in for the overlay: what comes out
// of the TUN goes back in with source and destination exchanged, which leaves every checksum right (RFC 1071: a sum
// does not depend on the order). So a program that connects to the other address of the network talks to this machine.
#include "namespace.h"
#include "netlink.h"
#include "tun.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct qe_bufpool pool;
static struct qe_tun tun;
static struct qe_fault fault;

static void set_up(void)
{
    struct qe_cidr addresses[2];
    bool no_ipv6 = true;
    qe_bufpool_init(&pool);
    qe_tun_init(&tun);
    int result = qe_tun_open(&tun, "qetest0", &fault);
    if (result && errno != 0) puts(fault.text);
    CU_ASSERT_EQUAL_FATAL(result, 0);
    CU_ASSERT_TRUE(qe_cidr_parse("100.64.1.1/16", &addresses[0]));
    CU_ASSERT_TRUE(qe_cidr_parse("fd00:1::1/64", &addresses[1]));
    struct qe_netlink_tun wanted = {tun.index, tun.name, 1420, addresses, 2};
    result = qe_netlink_set_up_tun(&wanted, &no_ipv6, &fault);
    if (result) puts(fault.text);
    CU_ASSERT_EQUAL_FATAL(result, 0);
    CU_ASSERT_FALSE(no_ipv6);
}

static void take_down(void)
{
    qe_tun_close(&tun, &pool);
    qe_bufpool_fini(&pool);
}

static void exchange(uint8_t *a, uint8_t *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t x = a[i];
        a[i] = b[i];
        b[i] = x;
    }
}

struct mirrored {
    size_t packets, super_packets;
    uint32_t largest;
    unsigned kinds; // mask of 1 << qe_offload_kind
};

// Sends back what waits in the TUN.
static void mirror(struct mirrored *seen)
{
    struct qe_packet_in list[16];
    bool more = true;
    while (more) {
        size_t count = qe_tun_read(&tun, &pool, list, 16, 1 << 20, &more);
        for (size_t i = 0; i < count; i++) {
            struct qe_buf *buf = list[i].buf;
            uint8_t *p = qe_buf_bytes(buf);
            seen->packets++;
            seen->kinds |= 1u << list[i].offload.kind;
            if (list[i].offload.kind != QE_OFFLOAD_NONE) seen->super_packets++;
            if (buf->size > seen->largest) seen->largest = buf->size;
            CU_ASSERT(buf->size > QE_BUFPOOL_SMALL_MAX || buf->capacity < QE_BUF_SIZE);
            if (p[0] >> 4 == 4)
                exchange(p + 12, p + 16, 4);
            else
                exchange(p + 8, p + 24, 16);
            qe_tun_write(&tun, &(struct qe_deliver){buf, list[i].offload});
            qe_bufpool_free(&pool, buf);
        }
    }
}

static void the_device_is_as_asked_for(void)
{
    set_up();
    CU_ASSERT_EQUAL(strcmp(tun.name, "qetest0"), 0);
    CU_ASSERT_TRUE(namespace_run("ip -o addr show dev qetest0 | grep -q ' 100.64.1.1/16 '"));
    CU_ASSERT_TRUE(namespace_run("ip -o addr show dev qetest0 | grep -q ' fd00:1::1/64 .*nodad'"));
    CU_ASSERT_TRUE(namespace_run("ip -o link show dev qetest0 | grep -q ',UP.* mtu 1420 .* qlen 500'"));
    CU_ASSERT_FALSE(namespace_run("ip -o link show dev qetest0 | grep -q MULTICAST"));
    CU_ASSERT_TRUE(namespace_run("ethtool -k qetest0 | grep -q 'tcp-segmentation-offload: on'"));
    CU_ASSERT_TRUE(namespace_run("ethtool -k qetest0 | grep -q 'tx-checksumming: on'"));
    CU_ASSERT_EQUAL(namespace_run("ethtool -k qetest0 | grep -q 'tx-udp-segmentation: on'"), tun.uso);
    // Nothing that nobody sent: no solicitations, no multicast reports.
    struct pollfd ready = {tun.fd, POLLIN, 0};
    CU_ASSERT_EQUAL(poll(&ready, 1, 1500), 0);
    take_down();
    CU_ASSERT_FALSE(namespace_run("ip link show qetest0 2>/dev/null >&2"));
}

static int tcp_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

// A TCP transfer of `total` bytes to oneself through the mirror. Returns the bytes that arrived intact.
static size_t transfer(int family, const char *here, const char *there, size_t total, struct mirrored *seen)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(4000)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(4000)};
    struct sockaddr *name = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    void *address = family == AF_INET ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr;
    socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
    int listener = tcp_socket(family), client = tcp_socket(family), server = -1, on = 1;
    size_t sent = 0, got = 0;
    static uint8_t out[65536], in[65536];
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    inet_pton(family, here, address);
    CU_ASSERT_EQUAL(bind(listener, name, size), 0);
    CU_ASSERT_EQUAL(listen(listener, 1), 0);
    inet_pton(family, there, address);
    connect(client, name, size);
    // At most ten quiet seconds.
    for (int quiet = 0; got < total && quiet < 100;) {
        struct pollfd ready[] = {{tun.fd, POLLIN, 0}, {server < 0 ? listener : server, POLLIN, 0},
            {client, (short)(sent < total ? POLLOUT : 0), 0}};
        quiet = poll(ready, 3, 100) > 0 ? 0 : quiet + 1;
        mirror(seen);
        if (server < 0) server = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (ready[2].revents & POLLOUT) {
            size_t some = total - sent < sizeof out ? total - sent : sizeof out;
            for (size_t i = 0; i < some; i++)
                out[i] = (uint8_t)((sent + i) * 3 + (sent + i) / 255);
            ssize_t n = send(client, out, some, MSG_NOSIGNAL);
            if (n > 0) sent += (size_t)n;
        }
        ssize_t n = server < 0 ? -1 : recv(server, in, sizeof in, 0);
        for (ssize_t i = 0; i < n; i++, got++)
            if (in[i] != (uint8_t)(got * 3 + got / 255)) return got;
    }
    close(listener);
    close(client);
    if (server >= 0) close(server);
    return got;
}

static void tcp_crosses_in_super_packets(void)
{
    set_up();
    struct mirrored seen = {0};
    CU_ASSERT_EQUAL(transfer(AF_INET, "100.64.1.1", "100.64.1.2", 20 << 20, &seen), 20 << 20);
    CU_ASSERT(seen.kinds & 1u << QE_OFFLOAD_TCP4);
    CU_ASSERT(seen.largest > 30000);
    CU_ASSERT(seen.super_packets > 0);
    // Cut at 1420 bytes they would be some 15,000 packets, and as many acknowledgements.
    CU_ASSERT(seen.packets < 8000);
    seen = (struct mirrored){0};
    CU_ASSERT_EQUAL(transfer(AF_INET6, "fd00:1::1", "fd00:1::2", 20 << 20, &seen), 20 << 20);
    CU_ASSERT(seen.kinds & 1u << QE_OFFLOAD_TCP6);
    CU_ASSERT(seen.largest > 30000);
    CU_ASSERT_EQUAL(tun.counters.bad_header, 0);
    CU_ASSERT_EQUAL(tun.counters.write_drops, 0);
    take_down();
}

static void udp_crosses(bool cut)
{
    set_up();
    const bool super = tun.uso;
    if (cut) tun.uso = false;
    struct mirrored seen = {0};
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(5000)};
    int a = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
        b = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int segment = 1000;
    static uint8_t bytes[20500], in[2000];
    inet_pton(AF_INET, "100.64.1.1", &name.sin_addr);
    CU_ASSERT_EQUAL(bind(b, (struct sockaddr *)&name, sizeof name), 0);
    inet_pton(AF_INET, "100.64.1.2", &name.sin_addr);
    CU_ASSERT_EQUAL(setsockopt(a, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
    CU_ASSERT_EQUAL(sendto(a, bytes, sizeof bytes, 0, (struct sockaddr *)&name, sizeof name), (ssize_t)sizeof bytes);
    mirror(&seen);
    size_t datagrams = 0, total = 0;
    for (ssize_t n; (n = recv(b, in, sizeof in, 0)) > 0; datagrams++)
        total += (size_t)n;
    CU_ASSERT_EQUAL(datagrams, 21);
    CU_ASSERT_EQUAL(total, sizeof bytes);
    CU_ASSERT_EQUAL(seen.packets, super ? 1 : 21);
    CU_ASSERT_EQUAL(tun.counters.written_packets, super && !cut ? 1 : 21);
    CU_ASSERT_EQUAL(tun.counters.write_drops, 0);
    close(a);
    close(b);
    take_down();
}

static void udp_crosses_in_super_packets_where_the_kernel_can(void)
{
    udp_crosses(false);
}

static void udp_super_packets_are_cut_for_a_kernel_that_cannot(void)
{
    udp_crosses(true);
}

static void what_the_kernel_refuses_is_counted(void)
{
    set_up();
    struct qe_buf *buf = qe_bufpool_large(&pool);
    memset(qe_buf_bytes(buf), 0, 100);
    buf->size = 100;
    // No IP version.
    qe_tun_write(&tun, &(struct qe_deliver){.buf = buf});
    CU_ASSERT_EQUAL(tun.counters.write_drops, 1);
    CU_ASSERT_EQUAL(tun.counters.write_error, EINVAL);
    qe_buf_bytes(buf)[0] = 0x45;
    CU_ASSERT_TRUE(namespace_run("ip link set qetest0 down"));
    qe_tun_write(&tun, &(struct qe_deliver){.buf = buf});
    CU_ASSERT_EQUAL(tun.counters.write_drops, 2);
    CU_ASSERT_EQUAL(tun.counters.write_error, EIO);
    CU_ASSERT_FALSE(tun.gone);
    // Deleted under us: noticed by the next read.
    struct qe_packet_in in;
    bool more;
    CU_ASSERT_TRUE(namespace_run("ip link del qetest0"));
    CU_ASSERT_EQUAL(qe_tun_read(&tun, &pool, &in, 1, 1, &more), 0);
    CU_ASSERT_TRUE(tun.gone);
    qe_bufpool_free(&pool, buf);
    take_down();
}

static void packets_wait_in_the_kernel_while_there_are_no_buffers(void)
{
    set_up();
    struct qe_buf *list = NULL;
    while (qe_bufpool_has_large(&pool)) {
        struct qe_buf *buf = qe_bufpool_large(&pool);
        buf->next = list;
        list = buf;
    }
    CU_ASSERT_TRUE(namespace_run("ping -c 1 -W 0.1 100.64.9.9 >/dev/null; true"));
    struct qe_packet_in in;
    bool more;
    CU_ASSERT_EQUAL(qe_tun_read(&tun, &pool, &in, 1, 2000, &more), 0);
    while (list) {
        struct qe_buf *buf = list;
        list = buf->next;
        qe_bufpool_free(&pool, buf);
    }
    // The kernel may have had something of its own to say over IPv6 first.
    bool found = false;
    while (!found && qe_tun_read(&tun, &pool, &in, 1, 2000, &more) == 1) {
        found = in.buf->size == 84 && qe_buf_bytes(in.buf)[0] >> 4 == 4 && qe_buf_bytes(in.buf)[19] == 9;
        qe_bufpool_free(&pool, in.buf);
    }
    CU_ASSERT_TRUE(found);
    take_down();
}

static void names_in_use_or_not_possible_are_told(void)
{
    set_up();
    struct qe_tun second;
    qe_tun_init(&second);
    CU_ASSERT_EQUAL(qe_tun_open(&second, "qetest0", &fault), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "qetest0 is used by another program"));
    CU_ASSERT_EQUAL(qe_tun_open(&second, "lo", &fault), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "not a TUN device"));
    CU_ASSERT_EQUAL(qe_tun_open(&second, "a-name-of-sixteen", &fault), -1);
    CU_ASSERT_EQUAL(qe_tun_open(&second, "", &fault), -1);
    CU_ASSERT_EQUAL(qe_tun_open(&second, "a/b", &fault), -1);
    CU_ASSERT_EQUAL(fault.exit, QE_EXIT_TUN);
    CU_ASSERT_EQUAL(second.fd, -1);
    take_down();
}

static const struct unit_case cases[] = {
    {"the device is as asked for", the_device_is_as_asked_for},
    {"TCP crosses in super-packets", tcp_crosses_in_super_packets},
    {"UDP crosses in super-packets where the kernel can", udp_crosses_in_super_packets_where_the_kernel_can},
    {"UDP super-packets are cut for a kernel that cannot", udp_super_packets_are_cut_for_a_kernel_that_cannot},
    {"what the kernel refuses is counted", what_the_kernel_refuses_is_counted},
    {"packets wait in the kernel while there are no buffers", packets_wait_in_the_kernel_while_there_are_no_buffers},
    {"names in use or not possible are told", names_in_use_or_not_possible_are_told},
};

int main(void)
{
    namespace_enter();
    if (access("/dev/net/tun", R_OK | W_OK)) {
        printf("skipped: /dev/net/tun: %s\n", strerror(errno));
        return 77;
    }
    return unit_main("kernel_tun", cases, sizeof cases / sizeof cases[0]);
}
