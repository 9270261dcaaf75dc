// Cutting super-packets lazily: a 64 KiB TCP or UDP packet from the TUN waits whole and is cut, one segment at a time,
// to what the path can take at that moment. Nothing is copied but the headers: a segment is gathered from a small
// header and a slice of the payload.
#ifndef QE_FLOW_SEGMENT_H
#define QE_FLOW_SEGMENT_H

#include "base/bytes.h"
#include "flow/offload.h"

// An IPv4 and a TCP header with all their options are 120 bytes.
#define QE_SEGMENT_HEADER_MAX 128

struct qe_segmenter {
    struct qe_offload offload;
    struct qe_span packet;     // the whole; borrowed, must outlive the segmenter
    uint32_t done;             // payload bytes already cut off
    uint32_t index;            // segments already cut off
    uint32_t pending;          // payload bytes of the segment last offered; 0: none is
    uint16_t header_size;      // IP and transport headers, as found in the packet; 0: not to be cut
    uint16_t transport_offset; // where the transport header starts
    bool taken_whole;          // a packet that is not to be cut was taken
    uint64_t ip_sum;           // checksum over the parts of the IPv4 header that all segments share
    uint64_t transport_sum;    // the same of pseudo-header and transport header
    uint8_t header[QE_SEGMENT_HEADER_MAX];
};

// Starts on a packet from the TUN; finishes a partial checksum of a packet that is not to be cut (so `packet` is
// written to). False where packet and offload contradict each other: a drop. The headers' sizes are read from the
// packet itself; those in the offload are hints, as virtio has it.
bool qe_segmenter_init(struct qe_segmenter *s, uint8_t *packet, size_t size, const struct qe_offload *offload);
// The next segment of at most `size_max` bytes, headers included, in 1 or 2 pieces; asking again without
// qe_segmenter_taken offers the same bytes anew (cut to the new size_max). TCP segments are cut shorter than
// segment_size where size_max is less (sequence numbers, flags and checksums kept right; PSH and FIN only on the last,
// CWR only on the first); UDP and plain packets are never cut shorter. Returns the number of pieces; 0: all done;
// -1: this packet cannot be made to fit (it wants fragmentation; pieces then hold the whole segment).
int qe_segmenter_next(struct qe_segmenter *s, size_t size_max, struct qe_span pieces[2]);
void qe_segmenter_taken(struct qe_segmenter *s);
bool qe_segmenter_finished(const struct qe_segmenter *s);

#endif
