// CoDel (RFC 8289 §5): when a packet that leaves a queue is dropped, or marked, because the queue has been standing for
// too long. In integers: the square root of the control law has 16 bits behind the point.
#ifndef QE_SIM_CODEL_H
#define QE_SIM_CODEL_H

#include <stdbool.h>
#include <stdint.h>

// A standing queue of less than this is none (RFC 8289 §5.4: the largest packet).
#define SIM_CODEL_BYTES_MIN 1514

struct sim_codel_settings {
    uint64_t target_ns; // 0: no CoDel
    uint64_t interval_ns;
    bool ecn; // packets that can be are marked instead of dropped
};

struct sim_codel {
    uint64_t first_above_ns; // 0: below target
    uint64_t drop_next_ns;
    uint32_t count, last_count;
    bool dropping;
    bool began; // the packet before was the first that this dropping state dropped
};

enum sim_codel_verdict {
    SIM_CODEL_SEND,
    SIM_CODEL_MARK, // and send
    SIM_CODEL_DROP, // and ask about the next packet, with `again`
};

// A packet is at the head of the queue. waited_ns: since it entered; bytes_left: what is in the queue behind it; ect:
// it can be marked; again: the one before it was dropped at this same time.
enum sim_codel_verdict sim_codel_judge(struct sim_codel *codel, const struct sim_codel_settings *settings,
    uint64_t now_ns, uint64_t waited_ns, uint64_t bytes_left, bool ect, bool again);

// The queue was asked for a packet and had none.
void sim_codel_on_empty(struct sim_codel *codel);

// at + interval / sqrt(count).
uint64_t sim_codel_control_law(uint64_t at_ns, uint64_t interval_ns, uint32_t count);

#endif
