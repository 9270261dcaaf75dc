// Captures for Wireshark. The underlay's has every datagram as it leaves a box and as it arrives at one, each box's
// interface being one of the capture's, and what was dropped once more on an interface of that name, with the reason.
// The overlay's has the packets that cross TUNs, super-packets cut as a wire would have them. Headers are made up to
// fit the simulated packet; checksums are right. Times are those of the run, since 1970.
#ifndef QE_SIM_CAPTURE_H
#define QE_SIM_CAPTURE_H

#include "look/secrets.h"
#include "pcap/pcap_writer.h"
#include "world/trace.h"

struct sim_capture_interface {
    uint32_t host, interface; // as host and node number them
    uint32_t id;              // in the capture
};

struct sim_capture {
    struct sim_sink sink;
    struct sim_pcap_writer writer;
    FILE *final, *body;         // body: the underlay's packets, or NULL
    struct sim_secrets secrets; // known
    char *lines;                // the same, as written
    size_t line_size, line_capacity;
    struct sim_capture_interface *interfaces;
    size_t count, capacity;
    uint32_t dropped; // the interface of what was dropped
    uint8_t *super;   // a super-packet being cut
    size_t super_size;
    uint64_t unreadable; // packets of a TUN that contradict their offload; they are not in the capture
};

// The files stay the caller's. `comment` says what run this is. 0, or -1 with errno where there can be no temporary
// file.
int sim_capture_underlay_init(struct sim_capture *capture, FILE *file, const char *application, const char *comment);
void sim_capture_overlay_init(struct sim_capture *capture, FILE *file, const char *application, const char *comment);
// Writes what is buffered. 0, or -1 with errno.
int sim_capture_fini(struct sim_capture *capture);

#endif
