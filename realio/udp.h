// UDP sockets of the underlay: many datagrams a system call in both directions (UDP_SEGMENT, UDP_GRO, sendmmsg,
// recvmmsg), the local address and interface of each, ECN, and never a fragment.
#ifndef QE_REALIO_UDP_H
#define QE_REALIO_UDP_H

#include "bufpool.h"
#include "fault.h"
#include "node/action.h"
#include "node/event.h"

// Sends that wait for one socket. The credit keeps the node below it; beyond it they are dropped and counted.
#define QE_UDP_QUEUE_MAX 128
// Messages of one receive call, and its target in bytes: more would push what was read first out of the cache.
#define QE_UDP_RECEIVE_MAX   32
#define QE_UDP_RECEIVE_BYTES (256 * 1024)
// Messages of one send call.
#define QE_UDP_SEND_MAX 64
// linux/udp.h: UDP_MAX_SEGMENTS was 64 until 6.9.
#define QE_UDP_SEGMENTS_MAX 64
// RFC 768 in RFC 791: 65535 - 20 - 8.
#define QE_UDP_PAYLOAD_MAX 65507
// Asked of the kernel, which doubles them for its bookkeeping. The receive buffer must ride out a moment in which the
// daemon is not scheduled; but all of it is also delay when the daemon is the bottleneck.
#define QE_UDP_RECEIVE_BUFFER (4 << 20)
#define QE_UDP_SEND_BUFFER    (4 << 20)

struct qe_udp_counters {
    uint64_t received_datagrams, received_bytes;
    uint64_t sent_datagrams, sent_bytes;
    uint64_t send_calls, receive_calls;
    uint64_t dropped_too_big;     // EMSGSIZE: larger than the link, such as a path-MTU probe
    uint64_t dropped_unreachable; // no route, or the source address is gone
    uint64_t dropped_no_memory;   // ENOBUFS
    uint64_t dropped_other;
    uint64_t dropped_queue;    // QE_UDP_QUEUE_MAX
    uint64_t dropped_received; // empty, or without an address
    uint64_t overflow;         // the kernel's receive buffer was full
    uint64_t blocked;          // EAGAIN
    uint64_t gso_refused;      // sent one by one instead
    int last_error;            // errno of the last in dropped_other
};

struct qe_udp_entry {
    struct qe_send send;
    uint32_t done;   // bytes of send.buf that are sent or dropped
    bool one_by_one; // the kernel refused the segments together
};

struct qe_udp {
    uint32_t id; // the node's
    int fd;
    uint8_t family; // 4 or 6
    bool no_gso;    // the device or kernel cannot
    bool blocked;   // waits for EPOLLOUT
    struct qe_addr local;
    struct qe_udp_entry *queue; // ring of QE_UDP_QUEUE_MAX
    size_t first, count;
    size_t waiting_bytes;
    uint32_t overflow_seen; // SO_RXQ_OVFL is a running count
    struct qe_udp_counters *counters;
};

// Receive buffers, shared by all sockets.
struct qe_udp_receiver;
struct qe_udp_receiver *qe_udp_receiver_new(void);
void qe_udp_receiver_free(struct qe_udp_receiver *receiver);
// Gives the pages of the buffers back to the system.
void qe_udp_receiver_trim(struct qe_udp_receiver *receiver);

// Binds. A mark other than 0 is what routing rules see (SO_MARK). 0, or -1 with `fault` and the system's errno in
// *error.
int qe_udp_open(struct qe_udp *udp, uint32_t id, const struct qe_addr *bind_to, uint32_t mark,
    struct qe_udp_counters *counters, struct qe_fault *fault, int *error);
// The same in two steps: a bound socket, or -1; and what is around it, which owns the socket from then on (0, or -1).
int qe_udp_socket(const struct qe_addr *bind_to, uint32_t mark, int *error);
int qe_udp_adopt(struct qe_udp *udp, uint32_t id, int fd, struct qe_udp_counters *counters, int *error);
// Drops what waits; `done` is called for each buffer.
void qe_udp_close(struct qe_udp *udp, void (*done)(void *user, struct qe_buf *buf), void *user);

// One receive call. *list is valid until the next; returns its length. *more: the socket probably holds more.
size_t qe_udp_receive(
    struct qe_udp *udp, struct qe_udp_receiver *receiver, const struct qe_datagrams **list, bool *more);

// Queues; false where there is no room (the buffer stays the caller's).
bool qe_udp_enqueue(struct qe_udp *udp, const struct qe_send *send);
// Sends what waits, in order, until the kernel blocks; then udp->blocked. `done` is called for each buffer sent or
// dropped.
void qe_udp_flush(struct qe_udp *udp, void (*done)(void *user, struct qe_buf *buf), void *user);

#endif
