#include "net/loss.h"

static bool happens(uint32_t high, uint32_t low, uint32_t ppb)
{
    uint64_t word = (uint64_t)high << 32 | low;
    return (uint64_t)(((unsigned __int128)word * SIM_CHANCE_ONE) >> 64) < ppb;
}

bool sim_gilbert_lose(const struct sim_gilbert *settings, struct sim_stream *stream, bool *bad)
{
    uint32_t words[4];
    sim_random_block(stream, words);
    bool lost = happens(words[0], words[1], *bad ? settings->bad_ppb : settings->good_ppb);
    if (happens(words[2], words[3], *bad ? settings->r_ppb : settings->p_ppb)) *bad = !*bad;
    return lost;
}

static uint64_t pause_ns(const struct sim_bursts *settings, struct sim_stream *stream)
{
    uint64_t mean = settings->every_ns - settings->lasts_ns;
    return settings->random ? sim_random_below(stream, 2 * mean + 1) : mean;
}

bool sim_bursts_at(
    const struct sim_bursts *settings, struct sim_stream *stream, struct sim_burst_state *state, uint64_t at_ns)
{
    while (!state->known || at_ns >= state->end_ns) {
        state->start_ns = (state->known ? state->end_ns : 0) + pause_ns(settings, stream);
        state->end_ns = state->start_ns + settings->lasts_ns;
        state->known = true;
    }
    return at_ns >= state->start_ns;
}
