#include "tun.h"

#include "flow/segment.h"
#include "vnet.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

// Kernel headers older than 6.2 do not have them.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static_assert(QE_VNET_SIZE <= QE_BUF_HEADROOM, "the header goes before the packet");

void qe_tun_init(struct qe_tun *tun)
{
    *tun = (struct qe_tun){.fd = -1};
}

static int refuse_device(struct qe_fault *fault)
{
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        return qe_fault_set(
            fault, QE_EXIT_TUN, "/dev/net/tun is missing: modprobe tun, or give the container the device");
    if (errno == EACCES || errno == EPERM)
        return qe_fault_set(fault, QE_EXIT_TUN,
            "no right to open /dev/net/tun (%s): run as root, or give the container the device", strerror(errno));
    return qe_fault_set(fault, QE_EXIT_TUN, "/dev/net/tun: %s", strerror(errno));
}

static int refuse_name(struct qe_fault *fault, const char *name)
{
    if (errno == EPERM)
        return qe_fault_set(
            fault, QE_EXIT_TUN, "no right to create the network device %s: run as root, or with CAP_NET_ADMIN", name);
    if (errno == EBUSY)
        return qe_fault_set(
            fault, QE_EXIT_TUN, "the network device %s is used by another program; choose another --tun-name", name);
    if (errno == EINVAL)
        return qe_fault_set(fault, QE_EXIT_TUN,
            "the network device %s cannot be made, or is not a TUN device; choose another --tun-name", name);
    return qe_fault_set(fault, QE_EXIT_TUN, "cannot create the network device %s: %s", name, strerror(errno));
}

static int set_up(struct qe_tun *tun, const char *name, struct qe_fault *fault)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    if (strlen(name) >= sizeof request.ifr_name || strlen(name) == 0)
        return qe_fault_set(
            fault, QE_EXIT_TUN, "not a name for a network device: \"%s\" (1 to %d bytes)", name, IF_NAMESIZE - 1);
    memcpy(request.ifr_name, name, strlen(name));
    if (ioctl(tun->fd, TUNSETIFF, &request)) return refuse_name(fault, name);
    memcpy(tun->name, request.ifr_name, sizeof tun->name);
    tun->name[sizeof tun->name - 1] = '\0';
    int header = QE_VNET_SIZE;
    unsigned offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    if (ioctl(tun->fd, TUNSETVNETHDRSZ, &header))
        return qe_fault_set(fault, QE_EXIT_TUN, "%s: TUNSETVNETHDRSZ: %s", name, strerror(errno));
    tun->uso = ioctl(tun->fd, TUNSETOFFLOAD, (unsigned long)(offload | TUN_F_USO4 | TUN_F_USO6)) == 0;
    if (!tun->uso && ioctl(tun->fd, TUNSETOFFLOAD, (unsigned long)offload))
        return qe_fault_set(fault, QE_EXIT_TUN, "%s: TUNSETOFFLOAD: %s", name, strerror(errno));
    tun->index = if_nametoindex(tun->name);
    if (tun->index == 0) return qe_fault_set(fault, QE_EXIT_TUN, "%s: %s", name, strerror(errno));
    return 0;
}

int qe_tun_open(struct qe_tun *tun, const char *name, struct qe_fault *fault)
{
    assert(tun->fd < 0);
    tun->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tun->fd < 0) return refuse_device(fault);
    if (set_up(tun, name, fault) == 0) return 0;
    close(tun->fd);
    tun->fd = -1;
    return -1;
}

void qe_tun_close(struct qe_tun *tun, struct qe_bufpool *pool)
{
    if (tun->spare) qe_bufpool_free(pool, tun->spare);
    tun->spare = NULL;
    if (tun->fd >= 0) close(tun->fd);
    tun->fd = -1;
}

// The buffer just read into, or a small copy of it that leaves the large one for the next read.
static struct qe_buf *claim(struct qe_tun *tun, struct qe_bufpool *pool, uint32_t size)
{
    struct qe_buf *buf = tun->spare;
    if (size > QE_BUFPOOL_SMALL_MAX) {
        tun->spare = NULL;
    } else {
        const uint8_t *from = qe_buf_bytes(buf);
        buf = qe_bufpool_small(pool, size);
        if (!buf) return NULL;
        memcpy(qe_buf_bytes(buf), from, size);
    }
    buf->size = size;
    return buf;
}

// Bytes read, or ≤ 0.
static ssize_t read_one(struct qe_tun *tun, uint8_t *at, size_t size)
{
    ssize_t got;
    do
        got = read(tun->fd, at, size);
    while (got < 0 && errno == EINTR);
    // EBADFD: the device was deleted under us. EIO: it is down, which passes.
    if (got < 0 && errno == EBADFD) tun->gone = true;
    return got;
}

size_t qe_tun_read(struct qe_tun *tun, struct qe_bufpool *pool, struct qe_packet_in *list, size_t count_max,
    size_t bytes_max, bool *more)
{
    size_t count = 0, bytes = 0;
    *more = false;
    while (count < count_max && bytes < bytes_max) {
        if (!tun->spare) tun->spare = qe_bufpool_large(pool);
        if (!tun->spare) return count;
        uint8_t *packet = qe_buf_bytes(tun->spare);
        uint8_t *header = packet - QE_VNET_SIZE;
        ssize_t got = read_one(tun, header, QE_VNET_SIZE + tun->spare->capacity - tun->spare->offset);
        if (got <= 0) return count;
        if (got <= QE_VNET_SIZE) {
            tun->counters.bad_header++;
            continue;
        }
        uint32_t size = (uint32_t)got - QE_VNET_SIZE;
        bytes += size;
        struct qe_packet_in *in = &list[count];
        if (!qe_vnet_read(header, qe_span(packet, size), &in->offload)) {
            tun->counters.bad_header++;
            continue;
        }
        in->buf = claim(tun, pool, size);
        if (!in->buf) {
            tun->counters.no_buffer++;
            continue;
        }
        tun->counters.read_packets++;
        tun->counters.read_bytes += size;
        count++;
    }
    *more = true;
    return count;
}

static void count_written(struct qe_tun *tun, ssize_t written)
{
    if (written < 0) {
        tun->counters.write_drops++;
        tun->counters.write_error = errno;
        return;
    }
    tun->counters.written_packets++;
    tun->counters.written_bytes += (uint64_t)written - QE_VNET_SIZE;
}

// A kernel before 6.2 takes no UDP super-packet: it gets the datagrams one by one.
static void write_cut(struct qe_tun *tun, const struct qe_deliver *deliver)
{
    static const struct qe_offload plain = {.kind = QE_OFFLOAD_NONE, .checksum_valid = true};
    struct qe_segmenter cutter;
    uint8_t header[QE_VNET_SIZE];
    struct qe_span pieces[2];
    if (!qe_segmenter_init(&cutter, qe_buf_bytes(deliver->buf), deliver->buf->size, &deliver->offload)) {
        tun->counters.write_drops++;
        return;
    }
    qe_vnet_write(&plain, header);
    for (int count; (count = qe_segmenter_next(&cutter, QE_BUF_SIZE, pieces)) > 0; qe_segmenter_taken(&cutter)) {
        struct iovec parts[3] = {{header, sizeof header}};
        for (int i = 0; i < count; i++)
            parts[i + 1] = (struct iovec){(void *)(uintptr_t)pieces[i].data, pieces[i].size};
        ssize_t written;
        do
            written = writev(tun->fd, parts, count + 1);
        while (written < 0 && errno == EINTR);
        count_written(tun, written);
    }
}

void qe_tun_write(struct qe_tun *tun, const struct qe_deliver *deliver)
{
    struct qe_buf *buf = deliver->buf;
    assert(buf->offset >= QE_VNET_SIZE);
    if (!tun->uso && (deliver->offload.kind == QE_OFFLOAD_UDP4 || deliver->offload.kind == QE_OFFLOAD_UDP6)) {
        write_cut(tun, deliver);
        return;
    }
    uint8_t *start = qe_buf_bytes(buf) - QE_VNET_SIZE;
    qe_vnet_write(&deliver->offload, start);
    ssize_t written;
    do
        written = write(tun->fd, start, QE_VNET_SIZE + buf->size);
    while (written < 0 && errno == EINTR);
    count_written(tun, written);
}
