// Events as a recording keeps them: all that a node can see of one.
#ifndef QE_RECORD_EVENT_H
#define QE_RECORD_EVENT_H

#include "node/event.h"
#include "record/body.h"

// The time of the event before, to which the next one's is relative.
struct qe_record_clock {
    uint64_t now_ns, wall_ms;
};

// Bytes of datagrams and packets become pieces, borrowed until the body is written.
void qe_record_put_event(struct qe_record_body *body, const struct qe_event *event, struct qe_record_clock *clock);

// An event that was read, and what it points at. Packets' buffers point into the bytes that were read; whoever steps a
// node with them puts its own in their place.
struct qe_record_event {
    struct qe_event event;
    const struct qe_mem *mem;
    struct qe_datagrams *datagrams;
    struct qe_packet_in *packets;
    struct qe_buf *bufs;
    struct qe_cidr *cidrs;
    struct qe_ip *ips;
    char *text; // with its NUL
};

// The cursor fails where there is none, or one that no host would make.
void qe_record_get_event(
    struct qe_reader *r, struct qe_record_event *out, struct qe_record_clock *clock, const struct qe_mem *mem);
void qe_record_event_fini(struct qe_record_event *event);

const char *qe_record_event_name(enum qe_event_kind kind);
// One line about an event, cut to `size`.
void qe_record_describe_event(const struct qe_event *event, char *out, size_t size);

// Packets and their offloads, for others of this folder.
void qe_record_put_offload(struct qe_record_body *body, const struct qe_offload *offload);
void qe_record_get_offload(struct qe_reader *r, struct qe_offload *offload);

#endif
