#include "net/codel.h"

// The whole part of the square root, digit by digit in base 2.
static uint64_t root(uint64_t value)
{
    uint64_t result = 0;
    for (uint64_t bit = UINT64_C(1) << 62; bit; bit >>= 2) {
        if (value >= result + bit) {
            value -= result + bit;
            result = (result >> 1) + bit;
        } else {
            result >>= 1;
        }
    }
    return result;
}

uint64_t sim_codel_control_law(uint64_t at_ns, uint64_t interval_ns, uint32_t count)
{
    unsigned __int128 scaled = (unsigned __int128)interval_ns << 16;
    return at_ns + (uint64_t)(scaled / root((uint64_t)count << 32));
}

// RFC 8289 §5.6, dodequeue: whether the queue has been above the target for an interval.
static bool may_drop(struct sim_codel *codel, const struct sim_codel_settings *settings, uint64_t now_ns,
    uint64_t waited_ns, uint64_t bytes_left)
{
    if (waited_ns < settings->target_ns || bytes_left <= SIM_CODEL_BYTES_MIN) {
        codel->first_above_ns = 0;
        return false;
    }
    if (codel->first_above_ns == 0) {
        codel->first_above_ns = now_ns + settings->interval_ns;
        return false;
    }
    return now_ns >= codel->first_above_ns;
}

// The first drop of a dropping state. Where the last one ended not long ago, its rate is where this one begins.
static void begin_dropping(struct sim_codel *codel, const struct sim_codel_settings *settings, uint64_t now_ns)
{
    uint32_t delta = codel->count - codel->last_count;
    bool recent = now_ns < codel->drop_next_ns || now_ns - codel->drop_next_ns < 16 * settings->interval_ns;
    codel->dropping = true;
    codel->count = delta > 1 && recent ? delta : 1;
    codel->drop_next_ns = sim_codel_control_law(now_ns, settings->interval_ns, codel->count);
    codel->last_count = codel->count;
}

// The RFC's dequeue() loops over packets; here it is asked about each, and `again` says where in the loop it stands.
enum sim_codel_verdict sim_codel_judge(struct sim_codel *codel, const struct sim_codel_settings *settings,
    uint64_t now_ns, uint64_t waited_ns, uint64_t bytes_left, bool ect, bool again)
{
    bool may = may_drop(codel, settings, now_ns, waited_ns, bytes_left);
    bool mark = settings->ecn && ect, is_second = again && codel->began;
    codel->began = false;
    if (is_second) return SIM_CODEL_SEND; // whatever its own case is
    if (!codel->dropping) {
        if (!may) return SIM_CODEL_SEND;
        begin_dropping(codel, settings, now_ns);
        codel->began = !mark;
        return mark ? SIM_CODEL_MARK : SIM_CODEL_DROP;
    }
    if (!may) {
        codel->dropping = false;
        return SIM_CODEL_SEND;
    }
    if (again) codel->drop_next_ns = sim_codel_control_law(codel->drop_next_ns, settings->interval_ns, codel->count);
    if (now_ns < codel->drop_next_ns) return SIM_CODEL_SEND;
    codel->count++;
    if (!mark) return SIM_CODEL_DROP;
    codel->drop_next_ns = sim_codel_control_law(codel->drop_next_ns, settings->interval_ns, codel->count);
    return SIM_CODEL_MARK;
}

void sim_codel_on_empty(struct sim_codel *codel)
{
    codel->first_above_ns = 0;
    if (!codel->began) codel->dropping = false;
    codel->began = false;
}
