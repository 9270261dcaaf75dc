#include "udp.h"

#include "sockaddr.h"

#include <assert.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// One UDP_GRO message. Control: packet info, traffic class, segment size, overflow count.
#define RECEIVE_SIZE    65536
#define RECEIVE_CONTROL 160
// Packet info, traffic class, segment size.
#define SEND_CONTROL 96

struct qe_udp_receiver {
    uint8_t *bytes;   // QE_UDP_RECEIVE_MAX × RECEIVE_SIZE
    uint32_t average; // bytes a message, of late
    struct mmsghdr messages[QE_UDP_RECEIVE_MAX];
    struct iovec parts[QE_UDP_RECEIVE_MAX];
    union qe_sockaddr names[QE_UDP_RECEIVE_MAX];
    _Alignas(struct cmsghdr) uint8_t control[QE_UDP_RECEIVE_MAX][RECEIVE_CONTROL];
    struct qe_datagrams list[QE_UDP_RECEIVE_MAX];
};

struct qe_udp_receiver *qe_udp_receiver_new(void)
{
    struct qe_udp_receiver *receiver = calloc(1, sizeof *receiver);
    if (!receiver) return NULL;
    size_t size = (size_t)QE_UDP_RECEIVE_MAX * RECEIVE_SIZE;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        free(receiver);
        return NULL;
    }
    receiver->bytes = memory;
    for (size_t i = 0; i < QE_UDP_RECEIVE_MAX; i++) {
        receiver->parts[i] = (struct iovec){receiver->bytes + i * RECEIVE_SIZE, RECEIVE_SIZE};
        receiver->messages[i].msg_hdr.msg_name = &receiver->names[i];
        receiver->messages[i].msg_hdr.msg_iov = &receiver->parts[i];
        receiver->messages[i].msg_hdr.msg_iovlen = 1;
        receiver->messages[i].msg_hdr.msg_control = receiver->control[i];
    }
    return receiver;
}

void qe_udp_receiver_free(struct qe_udp_receiver *receiver)
{
    if (!receiver) return;
    munmap(receiver->bytes, (size_t)QE_UDP_RECEIVE_MAX * RECEIVE_SIZE);
    free(receiver);
}

void qe_udp_receiver_trim(struct qe_udp_receiver *receiver)
{
    madvise(receiver->bytes, (size_t)QE_UDP_RECEIVE_MAX * RECEIVE_SIZE, MADV_DONTNEED);
}

static bool set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// 0, or errno. What the socket cannot do without is an error; what only makes it faster is not.
static int configure(int fd, uint8_t family)
{
    if (!set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, QE_UDP_RECEIVE_BUFFER))
        set_int(fd, SOL_SOCKET, SO_RCVBUF, QE_UDP_RECEIVE_BUFFER);
    if (!set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, QE_UDP_SEND_BUFFER))
        set_int(fd, SOL_SOCKET, SO_SNDBUF, QE_UDP_SEND_BUFFER);
    set_int(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    set_int(fd, IPPROTO_UDP, UDP_GRO, 1);
    bool ok;
    // PROBE: DF is set and the kernel's own idea of the path MTU does not matter, the core has a better one (RFC 8899).
    if (family == 4) {
        ok = set_int(fd, IPPROTO_IP, IP_PKTINFO, 1) && set_int(fd, IPPROTO_IP, IP_RECVTOS, 1) &&
             set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    } else {
        ok = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) && set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
             set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) &&
             set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE) &&
             set_int(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
    }
    return ok ? 0 : errno;
}

static int refuse(struct qe_fault *fault, const struct qe_addr *addr, int error)
{
    char text[QE_ADDR_TEXT_SIZE];
    qe_addr_format(addr, text);
    if (error == EADDRINUSE)
        return qe_fault_set(
            fault, QE_EXIT_SOCKET, "UDP address %s is in use by another program; choose another with --listen", text);
    if (error == EACCES || error == EPERM)
        return qe_fault_set(fault, QE_EXIT_SOCKET, "no right to use UDP address %s (%s)", text, strerror(error));
    if (error == EADDRNOTAVAIL)
        return qe_fault_set(fault, QE_EXIT_SOCKET,
            "UDP address %s is not an address of this machine; choose another with --listen", text);
    return qe_fault_set(fault, QE_EXIT_SOCKET, "cannot bind UDP address %s: %s", text, strerror(error));
}

int qe_udp_socket(const struct qe_addr *bind_to, uint32_t mark, int *error)
{
    union qe_sockaddr name;
    socklen_t size = qe_sockaddr_from(bind_to, &name);
    int fd = size ? socket(name.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    *error = size == 0 ? EAFNOSUPPORT : fd < 0 ? errno : configure(fd, bind_to->ip.family);
    if (*error == 0 && mark && !set_int(fd, SOL_SOCKET, SO_MARK, (int)mark)) *error = errno;
    if (*error == 0 && bind(fd, &name.any, size)) *error = errno;
    if (*error == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

int qe_udp_adopt(struct qe_udp *udp, uint32_t id, int fd, struct qe_udp_counters *counters, int *error)
{
    union qe_sockaddr name;
    socklen_t size = sizeof name;
    *udp = (struct qe_udp){.id = id, .fd = fd, .counters = counters};
    udp->queue = calloc(QE_UDP_QUEUE_MAX, sizeof *udp->queue);
    *error = !udp->queue ? ENOMEM : getsockname(fd, &name.any, &size) ? errno : 0;
    if (*error == 0) {
        udp->local = qe_sockaddr_to(&name);
        udp->family = udp->local.ip.family;
        return 0;
    }
    close(fd);
    free(udp->queue);
    return -1;
}

int qe_udp_open(struct qe_udp *udp, uint32_t id, const struct qe_addr *bind_to, uint32_t mark,
    struct qe_udp_counters *counters, struct qe_fault *fault, int *error)
{
    int fd = qe_udp_socket(bind_to, mark, error);
    if (fd >= 0 && qe_udp_adopt(udp, id, fd, counters, error) == 0) return 0;
    return refuse(fault, bind_to, *error);
}

void qe_udp_close(struct qe_udp *udp, void (*done)(void *user, struct qe_buf *buf), void *user)
{
    for (; udp->count > 0; udp->count--) {
        done(user, udp->queue[udp->first].send.buf);
        udp->first = (udp->first + 1) % QE_UDP_QUEUE_MAX;
    }
    close(udp->fd);
    free(udp->queue);
    udp->fd = -1;
}

// What came with a message, besides its bytes.
static void read_control(struct qe_udp *udp, struct msghdr *message, struct qe_datagrams *out)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        const void *data = CMSG_DATA(c);
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, data, sizeof info);
            out->interface = (uint32_t)info.ipi_ifindex;
            out->local.ip = qe_ip4_from_u32(ntohl(info.ipi_spec_dst.s_addr));
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, data, sizeof info);
            out->interface = info.ipi6_ifindex;
            out->local.ip = qe_ip6(info.ipi6_addr.s6_addr);
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) out->local.scope = info.ipi6_ifindex;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            out->ecn = *(const uint8_t *)data & 3;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
            int tclass;
            memcpy(&tclass, data, sizeof tclass);
            out->ecn = (uint8_t)(tclass & 3);
        } else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, data, sizeof segment);
            if (segment > 0 && (uint32_t)segment < out->size) out->segment_size = (uint16_t)segment;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t total;
            memcpy(&total, data, sizeof total);
            udp->counters->overflow += total - udp->overflow_seen;
            udp->overflow_seen = total;
        }
    }
}

// How many messages to ask for: enough small ones to amortise the call, few enough large ones to stay in the cache.
static unsigned appetite(const struct qe_udp_receiver *receiver)
{
    uint32_t wanted = QE_UDP_RECEIVE_BYTES / (receiver->average + 1);
    return wanted < 4 ? 4 : wanted > QE_UDP_RECEIVE_MAX ? QE_UDP_RECEIVE_MAX : wanted;
}

size_t qe_udp_receive(
    struct qe_udp *udp, struct qe_udp_receiver *receiver, const struct qe_datagrams **list, bool *more)
{
    unsigned asked = appetite(receiver);
    for (unsigned i = 0; i < asked; i++) {
        receiver->messages[i].msg_hdr.msg_namelen = sizeof receiver->names[i];
        receiver->messages[i].msg_hdr.msg_controllen = RECEIVE_CONTROL;
    }
    int got;
    do
        got = recvmmsg(udp->fd, receiver->messages, asked, MSG_DONTWAIT, NULL);
    while (got < 0 && errno == EINTR);
    *list = receiver->list;
    *more = got == (int)asked;
    udp->counters->receive_calls++;
    // An error here is one that an earlier datagram brought back (ICMP); it says nothing about the next.
    if (got <= 0) {
        *more = got < 0 && errno != EAGAIN;
        return 0;
    }

    size_t count = 0;
    uint64_t bytes = 0;
    for (int i = 0; i < got; i++) {
        struct msghdr *message = &receiver->messages[i].msg_hdr;
        struct qe_datagrams *out = &receiver->list[count];
        uint32_t size = receiver->messages[i].msg_len;
        *out = (struct qe_datagrams){.socket = udp->id, .bytes = receiver->parts[i].iov_base, .size = size};
        out->segment_size = (uint16_t)(size > UINT16_MAX ? UINT16_MAX : size);
        out->remote = qe_sockaddr_to(&receiver->names[i]);
        out->local = udp->local;
        read_control(udp, message, out);
        if (size == 0 || out->remote.ip.family == 0 || (message->msg_flags & MSG_TRUNC)) {
            udp->counters->dropped_received++;
            continue;
        }
        bytes += size;
        udp->counters->received_datagrams += (size + out->segment_size - 1) / out->segment_size;
        count++;
    }
    udp->counters->received_bytes += bytes;
    receiver->average = (uint32_t)((3 * (uint64_t)receiver->average + bytes / (uint64_t)got) / 4);
    return count;
}

bool qe_udp_enqueue(struct qe_udp *udp, const struct qe_send *send)
{
    assert(send->segment_size > 0 && send->buf->size > 0);
    if (udp->count == QE_UDP_QUEUE_MAX) {
        udp->counters->dropped_queue++;
        return false;
    }
    udp->queue[(udp->first + udp->count) % QE_UDP_QUEUE_MAX] = (struct qe_udp_entry){.send = *send};
    udp->count++;
    udp->waiting_bytes += send->buf->size;
    return true;
}

// One message being built or sent: `size` bytes of an entry from its `offset`.
struct chunk {
    struct qe_udp_entry *entry;
    uint32_t offset, size;
    bool gso;
};

struct batch {
    struct mmsghdr messages[QE_UDP_SEND_MAX];
    struct iovec parts[QE_UDP_SEND_MAX];
    union qe_sockaddr names[QE_UDP_SEND_MAX];
    _Alignas(struct cmsghdr) uint8_t control[QE_UDP_SEND_MAX][SEND_CONTROL];
    struct chunk chunks[QE_UDP_SEND_MAX];
};

// The next chunk of an entry: as many segments as one call may carry.
static struct chunk cut(const struct qe_udp *udp, struct qe_udp_entry *entry, uint32_t offset)
{
    uint32_t left = entry->send.buf->size - offset;
    uint32_t segment = entry->send.segment_size;
    uint32_t segments = QE_UDP_PAYLOAD_MAX / segment;
    if (segments > QE_UDP_SEGMENTS_MAX) segments = QE_UDP_SEGMENTS_MAX;
    if (segments == 0 || udp->no_gso || entry->one_by_one) segments = 1;
    uint32_t size = segments * segment < left ? segments * segment : left;
    return (struct chunk){entry, offset, size, size > segment};
}

static void *add_control(struct msghdr *message, int level, int type, size_t size)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)((uint8_t *)message->msg_control + message->msg_controllen);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    message->msg_controllen += CMSG_SPACE(size);
    assert(message->msg_controllen <= SEND_CONTROL);
    return CMSG_DATA(c);
}

static void add_source(struct msghdr *message, const struct qe_send *send)
{
    if (send->local.ip.family == 0 && send->interface == 0) return;
    if (send->remote.ip.family == 4) {
        struct in_pktinfo info = {.ipi_ifindex = (int)send->interface};
        if (send->local.ip.family == 4 && !qe_ip_is_unspecified(&send->local.ip))
            memcpy(&info.ipi_spec_dst, send->local.ip.bytes, 4);
        memcpy(add_control(message, IPPROTO_IP, IP_PKTINFO, sizeof info), &info, sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = send->interface};
        if (send->local.ip.family == 6) memcpy(&info.ipi6_addr, send->local.ip.bytes, 16);
        memcpy(add_control(message, IPPROTO_IPV6, IPV6_PKTINFO, sizeof info), &info, sizeof info);
    }
}

static void build(struct batch *batch, size_t index, const struct chunk *chunk)
{
    const struct qe_send *send = &chunk->entry->send;
    struct msghdr *message = &batch->messages[index].msg_hdr;
    batch->chunks[index] = *chunk;
    batch->parts[index] = (struct iovec){qe_buf_bytes(send->buf) + chunk->offset, chunk->size};
    memset(message, 0, sizeof *message);
    message->msg_name = &batch->names[index];
    message->msg_namelen = qe_sockaddr_from(&send->remote, &batch->names[index]);
    message->msg_iov = &batch->parts[index];
    message->msg_iovlen = 1;
    message->msg_control = batch->control[index];
    add_source(message, send);
    if (send->ecn) {
        int ecn = send->ecn & 3;
        bool v4 = send->remote.ip.family == 4;
        memcpy(add_control(message, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, sizeof ecn), &ecn,
            sizeof ecn);
    }
    if (chunk->gso) {
        uint16_t segment = send->segment_size;
        memcpy(add_control(message, SOL_UDP, UDP_SEGMENT, sizeof segment), &segment, sizeof segment);
    }
    if (message->msg_controllen == 0) message->msg_control = NULL;
}

static size_t build_all(struct qe_udp *udp, struct batch *batch)
{
    size_t messages = 0;
    for (size_t i = 0; i < udp->count && messages < QE_UDP_SEND_MAX; i++) {
        struct qe_udp_entry *entry = &udp->queue[(udp->first + i) % QE_UDP_QUEUE_MAX];
        for (uint32_t at = entry->done; at < entry->send.buf->size && messages < QE_UDP_SEND_MAX;) {
            struct chunk chunk = cut(udp, entry, at);
            build(batch, messages++, &chunk);
            at += chunk.size;
        }
    }
    return messages;
}

static uint32_t datagrams_in(const struct chunk *chunk)
{
    uint32_t segment = chunk->entry->send.segment_size;
    return (chunk->size + segment - 1) / segment;
}

static void count_drop(struct qe_udp *udp, const struct chunk *chunk, int error)
{
    struct qe_udp_counters *counters = udp->counters;
    uint32_t count = datagrams_in(chunk);
    switch (error) {
    case EMSGSIZE:
        counters->dropped_too_big += count;
        break;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL:
    case ENODEV:
    case EINVAL: // IPv4's word for a source address that is not ours any more
        counters->dropped_unreachable += count;
        break;
    case ENOBUFS:
    case ENOMEM:
        counters->dropped_no_memory += count;
        break;
    default:
        counters->dropped_other += count;
        counters->last_error = error;
    }
}

// The first message of a batch was refused. True where it shall be tried once more, in another way.
static bool refused(struct qe_udp *udp, const struct chunk *chunk, int error)
{
    if (chunk->gso && (error == EIO || error == EINVAL || error == EMSGSIZE || error == EOPNOTSUPP)) {
        // EIO: the device cannot finish checksums, which will not change. The others may be about this batch: segments
        // larger than the device's MTU.
        if (error == EIO || error == EOPNOTSUPP) udp->no_gso = true;
        chunk->entry->one_by_one = true;
        udp->counters->gso_refused++;
        return true;
    }
    count_drop(udp, chunk, error);
    chunk->entry->done = chunk->offset + chunk->size;
    return false;
}

static void release_finished(struct qe_udp *udp, void (*done)(void *user, struct qe_buf *buf), void *user)
{
    while (udp->count > 0) {
        struct qe_udp_entry *entry = &udp->queue[udp->first];
        if (entry->done < entry->send.buf->size) return;
        udp->waiting_bytes -= entry->send.buf->size;
        udp->first = (udp->first + 1) % QE_UDP_QUEUE_MAX;
        udp->count--;
        done(user, entry->send.buf);
    }
}

void qe_udp_flush(struct qe_udp *udp, void (*done)(void *user, struct qe_buf *buf), void *user)
{
    struct batch batch;
    udp->blocked = false;
    while (udp->count > 0) {
        size_t count = build_all(udp, &batch);
        int sent = sendmmsg(udp->fd, batch.messages, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
        udp->counters->send_calls++;
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            udp->blocked = true;
            udp->counters->blocked++;
            return;
        }
        if (sent < 0) refused(udp, &batch.chunks[0], errno);
        for (int i = 0; i < sent; i++) {
            const struct chunk *chunk = &batch.chunks[i];
            chunk->entry->done = chunk->offset + chunk->size;
            udp->counters->sent_datagrams += datagrams_in(chunk);
            udp->counters->sent_bytes += chunk->size;
        }
        release_finished(udp, done, user);
    }
}
