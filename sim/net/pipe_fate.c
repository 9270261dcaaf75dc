// What chance does to a packet, beside plain loss and jitter. Every draw is by the packet's place in the order of
// entering, so what became of the others does not matter.
#include "net/pipe.h"

#define FLIPS_MAX 3

// Flips one to three bits of the payload. Places that fall together may undo each other; the first is never undone.
static void damage(struct sim_packet *packet, struct sim_stream *stream)
{
    uint32_t words[4];
    sim_random_block(stream, words);
    uint64_t bits = (uint64_t)packet->size * 8;
    uint64_t first = bits * words[1] >> 32;
    for (uint32_t i = 0; i <= words[0] % FLIPS_MAX; i++) {
        uint64_t bit = bits * words[1 + i] >> 32;
        if (i == 0 || bit != first) packet->bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

void sim_pipe_draw(struct sim_pipe *pipe, struct sim_packet *packet, uint64_t place)
{
    const struct sim_pipe_settings *s = &pipe->settings;
    struct sim_stream *streams = pipe->streams;
    for (int i = 0; i < SIM_CHANCE_COUNT; i++)
        if (i != SIM_CHANCE_BURST) streams[i].counter = place;
    packet->lost = s->loss_ppb && sim_random_chance(&streams[SIM_CHANCE_LOSS], s->loss_ppb);
    if (s->gilbert.on && sim_gilbert_lose(&s->gilbert, &streams[SIM_CHANCE_GILBERT], &pipe->bad)) packet->lost = true;
    packet->jitter_ns = 0;
    if (s->jitter_ns || s->jitter_model == SIM_JITTER_WIFI)
        packet->jitter_ns = sim_jitter_draw(s->jitter_model, s->jitter_ns, &streams[SIM_CHANCE_JITTER]);
    packet->late = s->late_ppb && sim_random_chance(&streams[SIM_CHANCE_LATE], s->late_ppb);
    packet->damaged = s->corrupt_ppb && packet->size && sim_random_chance(&streams[SIM_CHANCE_CORRUPT], s->corrupt_ppb);
    if (packet->damaged) damage(packet, &streams[SIM_CHANCE_DAMAGE]);
}
