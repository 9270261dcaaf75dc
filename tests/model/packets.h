// Packets the plain way: a flow described by its fields, written out whole with checksums summed byte by byte. What the
// core does cleverly is compared with this.
#ifndef QE_TESTS_PACKETS_H
#define QE_TESTS_PACKETS_H

#include "flow/offload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_FIN = 0x01, MODEL_SYN = 0x02, MODEL_PSH = 0x08, MODEL_ACK = 0x10, MODEL_ECE = 0x40, MODEL_CWR = 0x80 };

struct model_flow {
    bool ipv6;
    bool udp;
    bool dont_fragment;
    uint8_t traffic_class;
    uint8_t hops;
    uint8_t flags; // TCP
    uint8_t host;  // last byte of the source address
    uint16_t id;   // IPv4 identification
    uint16_t source_port, destination_port;
    uint32_t sequence, acknowledgement;
    uint8_t options[40]; // TCP
    size_t options_size; // a multiple of 4
};

// A plain TCP flow over IPv4 with an ACK flag, DF and a timestamp option.
struct model_flow model_flow(bool ipv6, bool udp);

// RFC 1071 by the letter.
uint16_t model_checksum(const uint8_t *bytes, size_t size);

// Bytes of IP and transport header together.
size_t model_header_size(const struct model_flow *flow);
// Writes one packet (or super-packet) and returns its size.
size_t model_packet(const struct model_flow *flow, const uint8_t *payload, size_t size, uint8_t *out);
// Writes a super-packet as a TUN hands it over: partial checksum, and the offload that says so.
size_t model_super_packet(const struct model_flow *flow, const uint8_t *payload, size_t size, uint16_t segment_size,
    uint8_t *out, struct qe_offload *offload);
// The flow as its packet number `index` has it, `done` payload bytes after the first, where it is or is not the last.
struct model_flow model_segment(const struct model_flow *flow, uint32_t index, uint32_t done, bool last);

// Whether IPv4 header and transport checksum are right, recomputed from the bytes. No extension headers.
bool model_checksums_hold(const uint8_t *packet, size_t size);

#endif
